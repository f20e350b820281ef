// Package house holds the tests that keep the laws of the house: who may import whom, and how large a room may grow.
package house
