package main

import (
	"os"
	"strings"
	"testing"
)

func TestItMeasures(t *testing.T) {
	t.Chdir("../..")
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("processor time is read from /proc: run this on Linux")
	}
	var b strings.Builder
	if err := run(t.Context(), 100, &b); err != nil || !strings.Contains(b.String(), "| Fovea, passthrough | 100 |") {
		t.Errorf("%s, %v", b.String(), err)
	}
}
