package client

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const route1 = "http://H.test:80/cim/"

func TestFileSecretsKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	f := NewFileSecrets(dir)
	if got, err := f.Load(route1, "alice"); got != "" || err != nil {
		t.Fatalf("before Save: %q, %v", got, err)
	}
	for _, s := range []string{"first", "second"} {
		if err := f.Save(route1, "alice", s); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct{ route, user, want string }{
		"the same":       {route1, "alice", "second"},
		"another path":   {"HTTP://h.test", "alice", "second"},
		"another scheme": {"https://h.test:80", "alice", ""},
		"another port":   {"http://h.test:8083", "alice", ""},
		"another user":   {route1, "Alice", ""},
	} {
		if got, err := NewFileSecrets(dir).Load(tt.route, tt.user); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
	previous, err := os.ReadFile(f.Path(route1, "alice") + ".previous")
	if err != nil || string(previous) != "first\n" {
		t.Errorf("the secret before is %q, %v", previous, err)
	}
}

func TestFileSecretsArePrivate(t *testing.T) {
	root := filepath.Join(t.TempDir(), "s")
	f := NewFileSecrets(root)
	for _, s := range []string{"a", "b"} {
		if err := f.Save(route1, "../alice", s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Load(route1, "bob"); err != nil {
		t.Fatal(err)
	}
	var files []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
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
			files = append(files, strings.TrimPrefix(path, root))
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	want := "/http%3a%2f%2fh.test/%2e.%2falice.secret /http%3a%2f%2fh.test/%2e.%2falice.secret.previous"
	if got := strings.Join(files, " "); err != nil || got != want {
		t.Errorf("files %s, %v; want %s", got, err, want)
	}
}

func TestFileSecretsThatAreNone(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "\n", "two lines": "a\nb", "long": strings.Repeat("x", maxSecret+1), "control": "a\x00b", "a page": "<html> no",
	} {
		t.Run(name, func(t *testing.T) {
			f := NewFileSecrets(t.TempDir())
			if err := f.Save(route1, "alice", "x"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.Path(route1, "alice"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := f.Load(route1, "alice")
			if err == nil || !strings.Contains(err.Error(), f.Path(route1, "alice")) {
				t.Errorf("Load = %q, %v, want the name of the file", got, err)
			}
		})
	}
}

func TestFileSecretsThatCannotBeKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := NewFileSecrets(filepath.Join(file, "below"))
	if _, err := f.Load(route1, "alice"); err == nil {
		t.Error("Load does not say that Save will fail")
	}
	if err := f.Save(route1, "alice", "x"); err == nil {
		t.Error("Save succeeded")
	}
}

func TestOriginOfWhatIsNoURL(t *testing.T) {
	if got := origin("http://%"); got != "http://%" {
		t.Errorf("origin is %q", got)
	}
}
