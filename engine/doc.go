// Package engine turns source bytes into result bytes within a budget, in a fixed order of steps.
package engine
