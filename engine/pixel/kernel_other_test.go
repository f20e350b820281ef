//go:build !amd64

package pixel

func withoutKernels(bool) (restore func()) { return func() {} }
