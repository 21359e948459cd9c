// Package buildinfo says which build of CIM this is. It knows nothing of what the build does.
package buildinfo

import "runtime/debug"

// unknown is the version of a build that carries neither a version nor a revision, as tests and go run do.
const unknown = "dev"

// revisionLen is how much of a commit hash is shown, in hexadecimal digits.
const revisionLen = 12

// version is set at link time: -X cim/internal/buildinfo.version=v1.2.3.
var version string

// Version names the build: what the linker was told, otherwise the revision of the sources with "-dirty"
// behind it when they had been changed, otherwise "dev". It is never empty.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	return revision(info.Settings)
}

// revision reads what the go command noted about version control.
func revision(settings []debug.BuildSetting) string {
	var commit, dirty string
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	if commit == "" {
		return unknown
	}
	return commit[:min(len(commit), revisionLen)] + dirty
}
