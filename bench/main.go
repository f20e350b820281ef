// Command bench puts load on the running binary, beside its peers on the same machine, and writes down what it found.
//
//	go run ./bench -scenario hit,304,signed -peers nginx,varnish
//
// It builds the binary of this tree, starts it, a local origin and whichever peers
// there are, each as a process of its own, and runs scenarios: -h lists them.
// Contenders take turns, round by round, so that a busy machine is busy for all:
// ratios count, and processor time per request, which the load generator beside
// the server blurs least.
//
// A wrong answer makes the command fail; a slow one never does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	scenarios []string
	duration  time.Duration // of each contender in each case; 0 = the scenario's own
	rounds    int
	images    string // folder of pictures; "" = generated ones
	peers     []string
	target    string // URL template; "" = our own server
	open      float64
	short     bool
	out       string // folder; "" = nothing is written
	command   string // how this was called, for the heading
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := readOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(ctx, o, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// readOptions reads the command line; usage and complaints go to log, too.
func readOptions(arguments []string, log io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	names := flags.String("scenario", "all", "comma-separated scenarios, or all")
	flags.DurationVar(&o.duration, "duration", 0, "how long each contender is under load in each case, all rounds together; 0 = what the scenario needs")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds that contenders take turns in")
	flags.StringVar(&o.images, "images", os.Getenv("FOVEA_IMAGES"), "`folder` of photographs; default $FOVEA_IMAGES, else pictures are generated")
	peers := flags.String("peers", "nginx,varnish,sharp", "comma-separated: nginx, varnish, sharp, imgproxy, or name=`URL` of a running image server, with {source}, {width} and {format} in it; \"\" = none")
	flags.StringVar(&o.target, "target", "", "`URL` of a running server to put load on instead, with {n} for a number from 1 to 10000, most often 1; any HTTP server will do")
	flags.Float64Var(&o.open, "open", 0, "requests a second of an open loop, for hit, 304, signed and -target; 0 = closed loop")
	flags.BoolVar(&o.short, "short", false, "everything once and small, within three minutes: for wrong answers, not for numbers")
	flags.StringVar(&o.out, "out", "", "`folder` for results; default bench/results, with -short none")
	flags.Usage = func() {
		fmt.Fprintln(log, "go run ./bench [flags]")
		flags.PrintDefaults()
		fmt.Fprintln(log, "\nScenarios:")
		for _, s := range scenarios() {
			fmt.Fprintf(log, "  %-12s %s\n", s.name, s.about)
		}
	}
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("expected flags alone, received %q", flags.Arg(0))
	}
	o.command = "go run ./bench"
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "out": // where to has no part in it
		case "images": // a path of one machine
			o.command += " -images …"
		default:
			o.command += fmt.Sprintf(" -%s=%s", f.Name, f.Value)
		}
	})
	o.peers = split(*peers)
	o.scenarios = split(*names)
	return o, o.settle()
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// settle checks the options and fills in what was left open.
func (o *options) settle() error {
	if o.duration < 0 || o.rounds < 1 || o.open < 0 {
		return errors.New("-duration, -rounds, -open: expected numbers above 0")
	}
	if o.short {
		o.rounds = 1
	} else if o.out == "" {
		o.out = "bench/results"
	}
	var known []string
	for _, s := range scenarios() {
		known = append(known, s.name)
	}
	switch {
	case o.target != "":
		o.scenarios = nil
	case slices.Equal(o.scenarios, []string{"all"}):
		o.scenarios = known
	}
	for _, name := range o.scenarios {
		if !slices.Contains(known, name) {
			return fmt.Errorf("-scenario: expected some of %s, received %q", strings.Join(known, ", "), name)
		}
	}
	for _, peer := range o.peers {
		name, address, remote := strings.Cut(peer, "=")
		if !remote && !slices.Contains(localPeers(), name) {
			return fmt.Errorf("-peers: expected %s, or name=URL, received %q", strings.Join(localPeers(), ", "), peer)
		}
		if remote && !strings.Contains(address, "{source}") {
			return fmt.Errorf("-peers: expected {source} in the URL of %s, received %q", name, address)
		}
	}
	if runtime.GOOS != "linux" {
		return errors.New("processor time and memory are read from /proc: run this on Linux")
	}
	return nil
}

// localPeers are those that are started here.
func localPeers() []string { return []string{"nginx", "varnish", "sharp", "imgproxy"} }
