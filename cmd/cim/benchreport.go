package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
)

// chooseSeed replaces a seed that was not given by one that is short enough to type again.
func chooseSeed(seed *uint64) {
	if *seed == 0 {
		*seed = uint64(rand.Uint32()) + 1
	}
}

// printReport writes what a bench has found, for a person or for a program.
func printReport(w io.Writer, asJSON bool, r interface{ WriteText(w io.Writer) error }) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	return r.WriteText(w)
}
