package postgrestest

import "syscall"

// attributes make a program the head of a group of its own that ends with us.
func attributes(owner *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: owner, Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
