//go:build unix && !linux

package main

import "syscall"

// attributes make a child that Ctrl-C does not reach: we tell it, in the right order.
// Here it outlives us if we are killed.
func attributes(owner *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: owner, Setpgid: true}
}
