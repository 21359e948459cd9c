//go:build !linux

package zktest

import "syscall"

func dieWithTest() *syscall.SysProcAttr { return nil }
