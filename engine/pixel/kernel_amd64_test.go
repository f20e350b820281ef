package pixel

// withoutKernels turns the assembly off, if off, and returns what turns it on again.
func withoutKernels(off bool) (restore func()) {
	before := hasAVX2
	hasAVX2 = hasAVX2 && !off
	return func() { hasAVX2 = before }
}
