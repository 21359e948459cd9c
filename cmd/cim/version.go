package main

import (
	"fmt"
	"runtime"

	"cim/internal/buildinfo"
)

// versionCmd prints what runs here.
type versionCmd struct{}

// Run prints one line.
func (versionCmd) Run(io streams) error {
	_, err := fmt.Fprintf(io.out, "cim %s %s %s/%s\n", buildinfo.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
