// Command engine measures the engine on photographs, beside its peers and at
// judged quality, and writes what it found as a Markdown table.
//
//	FOVEA_IMAGES=photographs go run ./bench/engine -match -out result.md
//
// The photographs are photo12.jpg (12 megapixels), photo_1600x1200.jpg, alpha.png
// and anim.gif; one that the folder does not have is generated, and the table says
// so. sharp is installed by npm into the user's cache folder; without npm or the
// network it is left out. imgproxy takes part if -imgproxy names its program.
//
// Each contender is one process with two transforms under way. It has the sources
// in memory and makes pictures into memory; only imgproxy reads files and is asked
// over HTTP.
// Ours works as the server does: what it decodes is kept for later pictures of the
// same source. W1 to W6 are first pictures, so they pay for that and gain nothing.
//
// Contenders take turns, round by round, so that a busy machine is busy for all:
// ratios count, not the figures of one of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// options are the command line.
type options struct {
	images   string  // folder of photographs; "" = generate all
	rounds   int     // of each workload, ≥ 1
	seconds  float64 // of each contender in each round; 0 = one transform for each worker
	mixed    int     // transforms before peak memory is read; 0 = it is not measured
	peers    []string
	imgproxy string // program
	match    bool   // give peers the quality that is as like the source as ours
	out      string // file; "" = none
	shrink   int    // divides the sides of generated pictures; 0 = 1
	// mezzanines is how many MiB of decoded sources ours keeps; 0 = none.
	mezzanines int
	form       form
	command    string // how this was called, for the heading
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o, asWorker := readOptions(os.Args[1:])
	var err error
	if asWorker {
		err = work(ctx, o.mezzanines, o.form)
	} else {
		err = run(ctx, o, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

// readOptions reads the command line; what it does not know ends the program.
func readOptions(arguments []string) (o options, asWorker bool) {
	flags := flag.NewFlagSet("engine", flag.ExitOnError)
	flags.StringVar(&o.images, "images", os.Getenv("FOVEA_IMAGES"), "`folder` of photographs; default $FOVEA_IMAGES, else generated pictures")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each workload")
	flags.Float64Var(&o.seconds, "seconds", 3, "seconds of each contender in each round")
	flags.IntVar(&o.mixed, "mixed", 2000, "mixed transforms before peak memory is read; 0 = leave that out")
	peers := flags.String("peers", "sharp", "comma-separated: sharp, imgproxy; \"\" = none")
	flags.StringVar(&o.imgproxy, "imgproxy", "imgproxy", "imgproxy's `program`")
	flags.BoolVar(&o.match, "match", false, "search the quality of each peer that gives our SSIM")
	flags.IntVar(&o.mezzanines, "mezzanines", 64, "MiB of decoded sources that ours keeps, as the server does; 0 = every picture is made from its source")
	flags.StringVar((*string)(&o.form), "codecs", "default", "`form` of our codecs: default = native encoders; native = decoders, too; portable = nothing of the system")
	flags.StringVar(&o.out, "out", "", "`file` to write the table to as well")
	flags.BoolVar(&asWorker, "worker", false, "answer requests on standard input (used by the program itself)")
	_ = flags.Parse(arguments) // ExitOnError
	o.peers = strings.FieldsFunc(*peers, func(r rune) bool { return r == ',' })
	o.rounds = max(o.rounds, 1)
	o.command = "go run ./bench/engine"
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "images", "imgproxy", "out": // paths of one machine
			o.command += fmt.Sprintf(" -%s …", f.Name)
		default:
			o.command += fmt.Sprintf(" -%s=%s", f.Name, f.Value)
		}
	})
	return o, asWorker
}

// run measures and writes the table to out; progress goes to log.
func run(ctx context.Context, o options, out, log io.Writer) error {
	folder, err := os.MkdirTemp("", "fovea-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if err := os.RemoveAll(folder); err != nil {
			fmt.Fprintln(log, "left behind:", err)
		}
	}()
	fmt.Fprintln(log, "reading or making the sources")
	sources, err := gather(ctx, o.images, folder, max(o.shrink, 1))
	if err != nil {
		return err
	}
	start := starters(o, folder)
	for i, name := range o.peers {
		if start[name] == nil {
			return fmt.Errorf("peers: expected sharp or imgproxy, received %q", name)
		}
		if slices.Contains(o.peers[:i], name) {
			return fmt.Errorf("peers: %s is there twice", name)
		}
	}
	judge, err := newJudge(sources)
	if err != nil {
		return err
	}
	m := &measurement{options: o, sources: sources, start: start, log: log, judge: judge}
	if err := m.all(ctx); err != nil {
		return err
	}
	text := m.markdown()
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if o.out == "" {
		return nil
	}
	return os.WriteFile(filepath.Clean(o.out), []byte(text), 0o644) //nolint:gosec // a table for all to read
}

// starters are the ways to start each contender.
func starters(o options, folder string) map[string]starter {
	return map[string]starter{
		"ours":     func(ctx context.Context) (*contender, error) { return startOurs(ctx, o.mezzanines, o.form) },
		"sharp":    startSharp,
		"imgproxy": func(ctx context.Context) (*contender, error) { return startImgproxy(ctx, o.imgproxy, folder) },
	}
}

// errLeftOut is wrapped by a starter whose contender this machine does not have.
var errLeftOut = errors.New("left out")
