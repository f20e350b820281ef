package main

import "syscall"

// attributes make a child that ends with us, whatever ends us, and that Ctrl-C does not
// reach: we tell it, in the right order.
func attributes(owner *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: owner, Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
