package zktest

import "syscall"

// dieWithTest has the kernel end the process when the test's process is killed before it could.
func dieWithTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
