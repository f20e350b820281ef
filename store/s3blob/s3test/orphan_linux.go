package s3test

import "syscall"

// orphanless has a server end with the test that started it, however that ends.
func orphanless() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
