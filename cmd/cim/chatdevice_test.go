package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cim/client"
)

func mustOpenDevice(t *testing.T, dir, id string) *device {
	t.Helper()
	d, err := openDevice(dir, id)
	if err != nil {
		t.Fatalf("openDevice: %v", err)
	}
	return d
}

func TestDeviceSlots(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	first, second := mustOpenDevice(t, dir, ""), mustOpenDevice(t, dir, "")
	if first.id == second.id || len(first.id) != 32 {
		t.Errorf("two terminals at once are devices %q and %q", first.id, second.id)
	}
	first.release()
	again := mustOpenDevice(t, dir, "")
	if again.id != first.id {
		t.Errorf("the terminal that was started again is device %q, want %q", again.id, first.id)
	}
	third := mustOpenDevice(t, dir, "")
	if third.id == first.id || third.id == second.id {
		t.Errorf("the third terminal is device %q, which is taken", third.id)
	}
	for _, d := range []*device{second, again, third} {
		d.release()
	}
}

func TestDeviceSlotsRunOut(t *testing.T) {
	dir := t.TempDir()
	for range deviceSlots {
		defer mustOpenDevice(t, dir, "").release()
	}
	if _, err := openDevice(dir, ""); err == nil || !strings.Contains(err.Error(), "100 terminals") {
		t.Errorf("one terminal more: %v", err)
	}
}

func TestDeviceOfAGivenID(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // no lock: the server lets the second take over
		if d := mustOpenDevice(t, dir, "my phone"); d.id != "my phone" {
			t.Errorf("device %q", d.id)
		}
	}
}

func TestDamagedDeviceFileIsReplaced(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "cut": "0123", "not hex": strings.Repeat("x", 32)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "1.device"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			d := mustOpenDevice(t, dir, "")
			d.release()
			if again := mustOpenDevice(t, dir, ""); again.id != d.id || len(d.id) != 32 {
				t.Errorf("device %q, then %q", d.id, again.id)
			}
		})
	}
}

func TestCursorsOfADevice(t *testing.T) {
	dir := t.TempDir()
	d := mustOpenDevice(t, dir, "")
	at, other := client.Cursor{LogEpoch: 1, Seq: 2}, client.Cursor{LogEpoch: 3, Seq: 4}
	// The name has become another user: the server was started without its data.
	for user, c := range map[int64]client.Cursor{7: at, 8: other} {
		if got, err := d.cursors.Load(user); err != nil || got != (client.Cursor{}) {
			t.Errorf("before Save: %v, %v", got, err)
		}
		if err := d.cursors.Save(user, c); err != nil {
			t.Fatal(err)
		}
	}
	d.release()
	again := mustOpenDevice(t, dir, "")
	defer again.release()
	for user, want := range map[int64]client.Cursor{7: at, 8: other} {
		if got, err := again.cursors.Load(user); err != nil || got != want {
			t.Errorf("user %d: %v, %v; want %v", user, got, err, want)
		}
	}
	if got, err := mustOpenDevice(t, dir, "").cursors.Load(7); err != nil || got != (client.Cursor{}) {
		t.Errorf("another device has the cursor %v, %v", got, err)
	}
}

func TestDeviceFilesArePrivate(t *testing.T) {
	root := filepath.Join(t.TempDir(), "home")
	c := chatCmd{Route: "http://h:1", Name: "../Ä", Home: root}
	d, err := c.openDevice()
	if err != nil {
		t.Fatal(err)
	}
	defer d.release()
	if err := d.cursors.Save(7, client.Cursor{Seq: 1}); err != nil {
		t.Fatal(err)
	}
	var paths []string
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		} else {
			paths = append(paths, strings.TrimPrefix(path, root))
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	want := "/devices/h%3a1/%2e.%2f%c3%84/1.7.cursor /devices/h%3a1/%2e.%2f%c3%84/1.device"
	if got := strings.Join(paths, " "); err != nil || got != want {
		t.Errorf("files %s, %v; want %s", got, err, want)
	}
}

func TestDeviceFolderThatCannotBe(t *testing.T) {
	c := chatCmd{Route: "http://h:1", Name: "a", Home: writeFile(t, "file", "not a folder")}
	_, err := c.openDevice()
	if err == nil || !strings.Contains(err.Error(), "--home") {
		t.Errorf("openDevice: %v, want it to name --home", err)
	}
	if errors.Is(err, errLocked) {
		t.Error("the folder is said to be locked")
	}
}
