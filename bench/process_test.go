package bench

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func fakeProc(utime, anonymous string, files ...string) fstest.MapFS {
	m := fstest.MapFS{
		"42/stat":         {Data: []byte("42 (a) b (c) S 1 42 42 0 -1 0 9 9 9 9 " + utime + " 50 0 0 20 0 1 0")},
		"42/status":       {Data: []byte("Name:\ta\nVmRSS:\t  900 kB\n")},
		"42/smaps_rollup": {Data: []byte("Anonymous:  " + anonymous + " kB\n")},
	}
	for _, f := range files {
		m["42/fd/"+f] = &fstest.MapFile{}
	}
	return m
}

func TestProcessUse(t *testing.T) {
	before, err := processes{fakeProc("100", "100", "0"), []int{42}}.sample()
	if err != nil {
		t.Fatal(err)
	}
	uses := processes{fakeProc("350", "300", "0", "1", "2"), []int{42}}.use(before)
	want := ProcessUse{
		PID: 42, Command: "a) b (c", CPUSeconds: 2.5, RSSBefore: 900 << 10, RSSAfter: 900 << 10,
		AnonymousBefore: 100 << 10, AnonymousAfter: 300 << 10, FilesBefore: 1, FilesAfter: 3,
	}
	if len(uses) != 1 || uses[0] != want {
		t.Fatalf("%+v, want %+v", uses, want)
	}
	if got := uses[0].PerFile(); got != 100<<10 {
		t.Errorf("%d bytes per file, want %d", got, 100<<10)
	}
	if got := (ProcessUse{AnonymousAfter: 5}).PerFile(); got != 0 {
		t.Errorf("%d bytes per file of none", got)
	}
}

func TestProcessThatIsNotThere(t *testing.T) {
	if _, err := (processes{fakeProc("1", "1"), []int{43}}).sample(); err == nil || !strings.Contains(err.Error(), "--pid") {
		t.Errorf("error is %v, want one that names --pid", err)
	}
	before, err := processes{fakeProc("1", "1"), []int{42}}.sample()
	if err != nil {
		t.Fatal(err)
	}
	if uses := (processes{fstest.MapFS{}, []int{42}}).use(before); uses != nil {
		t.Errorf("%+v of a process that has ended", uses)
	}
}

func TestStatThatIsNone(t *testing.T) {
	for _, text := range []string{"", "1 a S 1", "1 (a) S 1 2 3", "1 (a) S 1 2 3 4 5 6 7 8 9 0 x 1", "1 (a) S 1 2 3 4 5 6 7 8 9 0 1 x"} {
		if _, _, err := parseStat(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// The kernel's own files are what the reader expects.
func TestOwnProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc")
	}
	s, err := processes{os.DirFS("/proc"), []int{os.Getpid()}}.read(os.Getpid())
	if err != nil || s.command == "" || s.rss == 0 || s.anonymous == 0 || s.files == 0 || s.cpu < 0 || s.cpu > time.Hour {
		t.Errorf("%+v, %v", s, err)
	}
}
