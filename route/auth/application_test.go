package auth

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Routes that are started together in one folder agree on one key, and leave nothing else there.
func TestApplicationKeyOfRoutesStartedTogether(t *testing.T) {
	for range 20 {
		folder := t.TempDir()
		path := filepath.Join(folder, "application.key")
		keys := make([]string, 8)
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() {
				var err error
				if keys[i], err = ApplicationKey(path); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if key != strings.TrimSpace(string(text)) {
				t.Fatalf("a route has %s, the file %s", key, text)
			}
		}
		if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
			t.Fatalf("the folder has %v, %v", files, err)
		}
	}
}
