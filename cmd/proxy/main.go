// Command proxy is Fovea: an open Cloudflare Images edge in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/internal/config"
)

// cli is the command line. Flags come last in the order of configuration:
// defaults, file, environment, flags.
type cli struct {
	Config  string `help:"YAML file to read." type:"path" env:"FOVEA_CONFIG" placeholder:"FILE"`
	Data    string `help:"Folder of the embedded store (${data})." placeholder:"DIR"`
	Account string `help:"Account hash in delivery URLs (${account})." placeholder:"HASH"`

	Serve    serveCmd    `cmd:"" default:"withargs" help:"Serve images (the default)."`
	Status   statusCmd   `cmd:"" help:"Say how a running server is, or all that share its Redis, and how their configurations differ."`
	Explain  explainCmd  `cmd:"" help:"Say what URLs would be answered and why, without fetching."`
	Import   importCmd   `cmd:"" help:"Add pictures to the embedded store: files, URLs, an export, or a Cloudflare account."`
	Export   exportCmd   `cmd:"" help:"Write the account's originals and all that is known of them into a folder."`
	Sign     signCmd     `cmd:"" help:"Sign the URL of a private image."`
	Purge    purgeCmd    `cmd:"" help:"Make a running server forget what it has made: of an image, a variant, a source, a prefix, or everything."`
	Apitoken apitokenCmd `cmd:"" help:"Make, list and revoke tokens of the management API."`
	Accounts accountCmd  `cmd:"" name:"account" help:"List and add accounts."`
	Plugin   pluginCmd   `cmd:"" help:"Begin, try, measure and check rule plugins."`
	Store    storeCmd    `cmd:"" help:"Verify the store, or copy it into another one."`
	Check    checkCmd    `cmd:"" help:"Check the configuration and say what is wrong with it."`
	Settings configCmd   `cmd:"" name:"config" help:"Print the configuration that is in force, or every knob there is."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// world is what a command may touch outside the process's memory.
type world struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	now            func() time.Time // judges proofs and dates tokens
	widen          func(more int)   // has Go's scheduler run so many goroutines more at once; nil: it stays as it is
}

// settings reads the configuration as the command line has it.
func (c *cli) settings(w world) (config.Config, error) {
	settings, err := config.Load(c.Config, w.environ)
	if c.Data != "" {
		settings.Data = c.Data
	}
	if c.Account != "" {
		settings.Account = c.Account
	}
	return settings, err
}

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals // it ends at once what the first asked to end in order
		os.Exit(1)
	}()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(engine.GCPercent)
	}
	w := world{os.Stdin, os.Stdout, os.Stderr, os.Environ(), time.Now, nil}
	if os.Getenv("GOMAXPROCS") == "" {
		w.widen = func(more int) { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + more) }
	}
	os.Exit(run(ctx, os.Args[1:], w))
}

// errTold ends a command whose complaint has been printed already.
var errTold = errors.New("told")

// run runs one command and returns its exit status: 0 done, 1 failed, 2 not understood.
func run(ctx context.Context, args []string, w world) int {
	var c cli
	defaults := config.Default()
	status := -1
	parser, err := kong.New(&c,
		kong.Name("proxy"),
		kong.Description("Fovea, an open Cloudflare Images edge.\n\nWith no command and no configuration it serves demo pictures on "+defaults.Listen+"."),
		kong.Vars{"data": defaults.Data, "account": defaults.Account, "listen": defaults.Listen},
		kong.Writers(w.stdout, w.stderr),
		kong.Exit(func(code int) { status = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		fmt.Fprintln(w.stderr, "proxy:", err)
		return 1
	}
	command, err := parser.Parse(args)
	switch {
	case status >= 0: // --help has been printed
		return status
	case err != nil:
		fmt.Fprintf(w.stderr, "proxy: %v; see proxy --help\n", err)
		return 2
	}
	command.BindTo(ctx, (*context.Context)(nil))
	switch err := command.Run(&c, w); {
	case errors.Is(err, errTold):
		return 1
	case err != nil:
		fmt.Fprintln(w.stderr, "proxy:", err)
		return 1
	}
	return 0
}
