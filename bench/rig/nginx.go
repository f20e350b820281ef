package rig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// nginxConfig is nginx as its documentation advises for a busy cache: a worker a
// processor, sendfile, open files remembered, the access log written in blocks.
const nginxConfig = `daemon off;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log stderr error;
worker_rlimit_nofile %[7]d;
events { worker_connections %[6]d; }
http {
  access_log %[1]s/access.log combined buffer=64k flush=1s;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 60s;
  keepalive_requests 100000000;
  open_file_cache max=%[6]d inactive=10m;
  open_file_cache_valid 10m;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/temp; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  proxy_cache_path %[1]s/cache levels=1:2 keys_zone=images:64m max_size=%[4]d inactive=1d use_temp_path=off;
  upstream origin { server %[2]s; keepalive 64; }
  server {
    listen %[3]s backlog=16384 reuseport;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
%[5]s
    }
  }
}
`

// nginxCache is what of it makes it a cache.
const nginxCache = `      proxy_cache images;
      proxy_cache_key $uri$is_args$args;
      proxy_cache_lock on;
      proxy_cache_valid 200 1d;
      proxy_cache_revalidate on;`

// Nginx starts nginx in front of the origin. cache is how many bytes it may keep;
// 0 = it passes everything on.
func (r *Rig) Nginx(ctx context.Context, cache int64) (*Process, error) {
	nginx, err := program("nginx")
	if err != nil {
		return nil, err
	}
	p, err := r.process(ctx, "nginx")
	if err != nil {
		return nil, err
	}
	keep := ""
	p.About = firstLine(ctx, nginx, "-v") + ", proxy_pass, nothing kept"
	if cache > 0 {
		keep = nginxCache
		p.About = firstLine(ctx, nginx, "-v") + ", proxy_cache in files, sendfile, a worker a processor, reuseport; access log buffered, on"
	}
	file := filepath.Join(p.folder, "nginx.conf")
	files, err := openFiles()
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(nginxConfig, p.folder, r.Origin.Address, p.Address, max(cache, 1<<20), keep, files/2, files)
	r.note(fmt.Sprintf("nginx-%d.conf", cache), config)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	if err := p.run(exec.CommandContext(ctx, nginx, "-c", file, "-p", p.folder), logFile); err != nil { //nolint:gosec // the contender
		return nil, err
	}
	return p, p.answers(ctx)
}

// openFiles is how many files a process may have open here. A worker that remembers as
// many has none left for connections, and stands still.
func openFiles() (uint64, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return limit.Max, err
}

// Kept is how many bytes nginx's cache has in its files.
func (p *Process) Kept() (int64, error) {
	var sum int64
	err := filepath.WalkDir(filepath.Join(p.folder, "cache"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) { // forgotten meanwhile
			return nil
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
