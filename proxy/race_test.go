//go:build race

package proxy

// raced: the race detector has pools forget at random, so that they allocate.
const raced = true
