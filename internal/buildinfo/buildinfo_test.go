package buildinfo

import (
	"runtime/debug"
	"testing"
)

func TestRevision(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	tests := []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"nothing known", nil, "dev"},
		{"clean", []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: "false"}}, "0123456789ab"},
		{"changed", []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: commit}}, "0123456789ab-dirty"},
		{"changed, but of what", []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}, "dev"},
		{"short hash", []debug.BuildSetting{{Key: "vcs.revision", Value: "42"}}, "42"},
		{"other settings", []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "-trimpath", Value: "true"}}, "dev"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := revision(tt.settings); got != tt.want {
				t.Errorf("revision(%v) = %q, want %q", tt.settings, got, tt.want)
			}
		})
	}
}

func TestVersionOfTheLinkerWins(t *testing.T) {
	defer func(before string) { version = before }(version)
	version = "v1.2.3"
	if got := Version(); got != "v1.2.3" {
		t.Errorf("Version() = %q, want what the linker set", got)
	}
	version = ""
	if got := Version(); got == "" || got == "v1.2.3" {
		t.Errorf("Version() = %q without the linker, want the revision or dev", got)
	}
}
