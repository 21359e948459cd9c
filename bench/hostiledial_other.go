//go:build !linux

package bench

import (
	"context"
	"syscall"
)

func keepPortsFree(context.Context, string, string, syscall.RawConn) error { return nil }

func lowerPriority(int, bool) error { return nil }
