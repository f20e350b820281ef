package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// s3Module is what go install makes the S3 service of.
const s3Module = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// programs are those of others.
type programs struct {
	postgres string // the folder of postgres, initdb and pg_isready
	redis,
	s3 string
}

// find looks for all of them, and says of all that are missing how they are had.
func find(ctx context.Context) (p programs, err error) {
	var missing []error
	lacks := func(program, remedy string) {
		missing = append(missing, fmt.Errorf("%s is not installed: %s", program, remedy))
	}
	if p.postgres, err = findPostgres(); err != nil {
		lacks("PostgreSQL", "apt-get install postgresql")
	}
	if p.redis, err = exec.LookPath("redis-server"); err != nil {
		lacks("redis-server", "apt-get install redis-server")
	}
	if p.s3, err = findInstalled(ctx, "versitygw"); err != nil {
		lacks("versitygw", "go install "+s3Module)
	}
	return p, errors.Join(missing...)
}

// findPostgres returns the folder of the newest server.
func findPostgres() (string, error) {
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // where Debian has them, outside of PATH
	if err != nil {
		return "", err
	}
	if len(folders) > 0 {
		slices.Sort(folders)
		return filepath.Dir(folders[len(folders)-1]), nil
	}
	program, err := exec.LookPath("postgres")
	return filepath.Dir(program), err
}

// findInstalled looks where go install puts programs, too, which may be outside of PATH.
func findInstalled(ctx context.Context, name string) (string, error) {
	program, err := exec.LookPath(name)
	if err == nil {
		return program, nil
	}
	said, failed := exec.CommandContext(ctx, "go", "env", "GOBIN", "GOPATH").Output()
	if failed != nil {
		return "", failed
	}
	bin, path, _ := strings.Cut(strings.TrimRight(string(said), "\n"), "\n")
	if bin == "" {
		bin = filepath.Join(filepath.SplitList(path)[0], "bin")
	}
	return exec.LookPath(filepath.Join(bin, name))
}
