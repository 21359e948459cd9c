package main

import (
	"os"
	"strings"
)

// defaultRoutePort is where chat and bench look for a route.
const defaultRoutePort = 8083

// isGoRun reports whether this binary was built by go run, whose name is of no use to the user: it is in
// the go command's temporary build folder.
func isGoRun() bool { return strings.Contains(os.Args[0], "go-build") }
