// Command fleet runs three nodes on one PostgreSQL, one Redis and one S3 service, and a front before them, until it is told to stop.
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
	"runtime"
	"syscall"
)

func main() {
	runtime.LockOSThread() // children end with the thread that has started them
	listen := flag.String("listen", "127.0.0.1:8080", "address of the front, `host:port`")
	folder := flag.String("folder", "", "where everything is kept, for another time; empty: a new one, removed at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *listen, *folder, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// run starts all, says what there is, and ends all when ctx does.
func run(ctx context.Context, listen, folder string, to io.Writer) (err error) {
	found, err := find(ctx)
	if err != nil {
		return err
	}
	if folder == "" {
		if folder, err = os.MkdirTemp("", "fovea-fleet-*"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	f := &fleet{folder: folder, programs: found, to: to}
	defer func() { err = errors.Join(err, f.stop()) }()
	if err := f.start(ctx, listen); err != nil {
		if ctx.Err() != nil {
			return nil // somebody has thought better of it
		}
		return err
	}
	f.greet()
	return f.watch(ctx)
}
