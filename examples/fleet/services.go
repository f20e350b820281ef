package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// secret is what the file of this name holds; made up when it is not there.
func (f *fleet) secret(name string) (value string, err error) {
	text, err := os.ReadFile(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		value = rand.Text()
		return value, f.write(name, value)
	}
	return strings.TrimSpace(string(text)), err
}

func (f *fleet) path(name string) string { return filepath.Join(f.folder, name) }

// write makes a file that only its owner reads.
func (f *fleet) write(name, text string) error {
	return os.WriteFile(f.path(name), []byte(text+"\n"), 0o600)
}

// place is where a service listens, and what opens it.
type place struct{ address, host, port, secret string }

// place finds one, whose secret is in the file of this name.
func (f *fleet) place(ctx context.Context, secret string) (p place, err error) {
	if p.secret, err = f.secret(secret); err != nil {
		return p, err
	}
	if p.address, err = freeAddress(ctx); err != nil {
		return p, err
	}
	p.host, p.port, err = net.SplitHostPort(p.address)
	return p, err
}

// startPostgres runs the keeper of names, and says its URL in the file database-url.
func (f *fleet) startPostgres(ctx context.Context) error {
	p, err := f.place(ctx, "postgres-password")
	if err != nil {
		return err
	}
	c := f.child("postgresql", filepath.Join(f.programs.postgres, "postgres"))
	c.ends = syscall.SIGINT // it then waits for nobody
	if c.owner, err = unprivileged(); err != nil {
		return err
	}
	if err := f.initPostgres(ctx, c, p.secret); err != nil {
		return err
	}
	c.args = []string{"-D", "data", "-h", p.host, "-p", p.port, "-k", c.folder, "-c", "shared_buffers=32MB"}
	if err := c.start(); err != nil {
		return err
	}
	// A fleet has a database and a user of its own; over a network, sslmode=verify-full.
	if err := f.write("database-url", "postgres://fovea:"+p.secret+"@"+p.address+"/postgres?sslmode=disable"); err != nil {
		return err
	}
	return c.awaited(ctx, func(ctx context.Context) bool {
		return exec.CommandContext(ctx, filepath.Join(f.programs.postgres, "pg_isready"), "-q", "-h", p.host, "-p", p.port).Run() == nil //nolint:gosec // PostgreSQL's own
	})
}

// initPostgres makes the folder of an empty database, once.
func (f *fleet) initPostgres(ctx context.Context, c *child, password string) (err error) {
	if _, err := os.Stat(filepath.Join(c.folder, "data", "PG_VERSION")); err == nil {
		return nil
	}
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return err
	}
	file := filepath.Join(c.folder, "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file)) }()
	if c.owner != nil { // another user, who has to get there
		uid, gid := int(c.owner.Uid), int(c.owner.Gid)
		if err := errors.Join(os.Chmod(f.folder, 0o711), os.Chown(c.folder, uid, gid), os.Chown(file, uid, gid)); err != nil { //nolint:gosec // it has no list for others
			return err
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(f.programs.postgres, "initdb"), "-D", "data", "-U", "fovea", "--pwfile", file, "--auth", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--no-instructions") //nolint:gosec // PostgreSQL's own
	initdb.Dir, initdb.SysProcAttr = c.folder, attributes(c.owner)
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// unprivileged is who runs PostgreSQL, which refuses to run as root; nil = we do.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	other, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(other.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(other.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

// startRedis runs what the nodes share, and says its URL in the file redis-url. It saves
// nothing: it may be lost at any moment.
func (f *fleet) startRedis(ctx context.Context) error {
	p, err := f.place(ctx, "redis-password")
	if err != nil {
		return err
	}
	settings := []string{"bind " + p.host, "port " + p.port, "requirepass " + p.secret, `save ""`, "appendonly no", "maxmemory 128mb", "maxmemory-policy allkeys-lru"}
	if err := errors.Join(f.write("redis.conf", strings.Join(settings, "\n")), f.write("redis-url", "redis://:"+p.secret+"@"+p.address+"/0")); err != nil {
		return err
	}
	c := f.child("redis", f.programs.redis, f.path("redis.conf"))
	if err := c.start(); err != nil {
		return err
	}
	return c.awaited(ctx, func(ctx context.Context) bool { return listens(ctx, p.address) })
}

// s3AccessKey is the id of the key; its secret is in the file s3-secret.
const s3AccessKey = "fovea"

// startS3 runs the keeper of bytes, a gateway over a folder: a bucket is a folder in it.
func (f *fleet) startS3(ctx context.Context) (endpoint string, err error) {
	p, err := f.place(ctx, "s3-secret")
	if err != nil {
		return "", err
	}
	c := f.child("s3", f.programs.s3, "--quiet", "--port", p.address, "posix", "--sidecar", f.path("s3/sidecar"), f.path("s3/buckets"))
	c.environ = []string{"ROOT_ACCESS_KEY=" + s3AccessKey, "ROOT_SECRET_KEY=" + p.secret}
	for _, name := range []string{"sidecar", "buckets/images"} {
		if err := os.MkdirAll(filepath.Join(c.folder, name), 0o700); err != nil {
			return "", err
		}
	}
	if err := c.start(); err != nil {
		return "", err
	}
	return "http://" + p.address, c.awaited(ctx, func(ctx context.Context) bool { return listens(ctx, p.address) })
}
