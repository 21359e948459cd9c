// Package deploy carries the files that set up a machine, so that the program can say which of them holds
// a setting. It must not know what the settings mean.
package deploy

import "embed"

// Files are the files of this folder, by their names.
//
//go:embed sysctl.conf cim.service
var Files embed.FS
