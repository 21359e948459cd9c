package netcore

import "golang.org/x/sys/unix"

// unsentBytes is what the kernel holds that the peer's kernel has not acknowledged: SIOCOUTQ, tcp(7).
func unsentBytes(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCOUTQ) }
