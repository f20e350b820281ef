//go:build !linux

package s3test

import "syscall"

func orphanless() *syscall.SysProcAttr { return nil }
