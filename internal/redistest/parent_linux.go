package redistest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel end the process when the test binary is killed, which runs no Cleanup.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
