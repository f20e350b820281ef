package main

import (
	"fmt"

	"github.com/fovea-images/fovea/plugins/sdk"
)

type pluginNewCmd struct {
	Name string `arg:"" help:"Name of the rule, and of its folder: a-z, 0-9 and hyphens."`
	Lang string `help:"What it is written in: go, c, as (AssemblyScript) or rust." default:"go" enum:"go,c,as,rust" placeholder:"LANG"`
	Dir  string `help:"Folder in which the rule's folder is made." default:"." type:"existingdir" placeholder:"DIR"`
}

// Help teaches what comes next.
func (*pluginNewCmd) Help() string {
	return `The folder has a small rule that builds, what it is written with, a table of
tests and a README. Nothing that is there already is changed.

  proxy plugin new short --lang go          make it
  sh short/build.sh                         build short/short.wasm
  proxy plugin test short/short.wasm        send the requests of short/tests.json through it

Then name it under rules in the configuration; the README shows how. Needed for
building: go: Go 1.24. c: clang and lld. as: npm. rust: rustc with its library
for wasm32-unknown-unknown, and lld.`
}

// Run writes the folder and says what to do with it.
func (c *pluginNewCmd) Run(w world) error {
	written, err := sdk.New(c.Dir, c.Name, c.Lang)
	for _, name := range written {
		fmt.Fprintln(w.stdout, name)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "\nbuild it:  sh %[1]s/build.sh\ntry it:    proxy plugin test %[1]s/%[1]s.wasm\n", c.Name)
	return nil
}
