package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"cim/route"
)

// childDirEnv makes the test binary the victim of TestKill, with this folder.
const childDirEnv = "CIM_EMBEDDED_TEST_DIR"

const victimUser = 5

// appendUntilKilled stores messages from eight callers for ever and prints what was answered.
func appendUntilKilled(dir string) int {
	s, err := Open(Config{Dir: dir, InboxMessages: 1 << 20})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for c := range uint64(8) {
		wg.Go(func() {
			for id := c + 1; ; id += 8 {
				got := s.Append(context.Background(), []route.Entry{entry(victimUser, id)})[0]
				if got.Err != nil {
					fmt.Fprintln(os.Stderr, got.Err)
					return
				}
				mu.Lock()
				fmt.Printf("%d %d\n", id, got.Seq)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return 1
}

// TestKill kills a process (SIGKILL) that stores messages, and opens what it left.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), childDirEnv+"="+dir)
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	answered := map[uint64]uint64{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var id, seq uint64
		if n, _ := fmt.Sscanf(lines.Text(), "%d %d", &id, &seq); n != 2 {
			continue // the line that was cut off
		}
		answered[id] = seq
		if len(answered) == 500 {
			if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrLocked) {
				t.Errorf("while another process has it open: %v, want ErrLocked", err)
			}
			_ = victim.Process.Kill()
		}
	}
	_ = victim.Wait() // reports the kill
	if len(answered) < 500 {
		t.Fatalf("only %d answers before the end", len(answered))
	}
	s := open(t, Config{Dir: dir, InboxMessages: 1 << 20})
	if len(answered) > route.DedupPerUser {
		t.Logf("%d answers; names beyond %d are forgotten", len(answered), route.DedupPerUser)
		for id, seq := range answered {
			if p, err := s.Position(t.Context(), victimUser); err != nil || seq+route.DedupPerUser <= p.Last {
				delete(answered, id)
			}
		}
	}
	checkKept(t, s, victimUser, answered)
}
