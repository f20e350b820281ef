package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/origin/web"
	"github.com/fovea-images/fovea/store/s3blob"
)

// blobsFolder is the folder of bytes in the data folder.
const blobsFolder = "blobs"

// bucket is where bytes are that are no files.
type bucket struct {
	*s3blob.Store
	reached atomic.Bool // it has answered us once
}

// newBytes opens the bucket, if bytes are in one. It does not connect.
func (a *app) newBytes(settings config.Config) (err error) {
	switch settings.Store.Bytes {
	case "files":
		return nil
	case "s3":
		a.s3, err = newBucket(settings.Store.S3)
		return err
	}
	return fmt.Errorf("bytes: expected files or s3, received %q", settings.Store.Bytes)
}

// originBuckets reads the buckets that sources may be in.
func originBuckets(list []config.Bucket) (map[string]web.Bucket, error) {
	all := map[string]web.Bucket{}
	var complaints complaints
	for i, b := range list {
		key := fmt.Sprintf("buckets[%d].", i)
		if _, twice := all[b.Name]; twice || b.Name == "" {
			complaints.add(key, fmt.Errorf("name: expected the name of a bucket, and each once, received %q", b.Name))
		}
		if b.Style != "" && b.Style != "path" && b.Style != "host" {
			complaints.add(key, fmt.Errorf("style: expected path or host, received %q", b.Style))
		}
		all[b.Name] = web.Bucket{Endpoint: b.Endpoint, Region: b.Region, AccessKey: b.AccessKey, SecretKey: string(b.SecretKey), HostStyle: b.Style == "host"}
		made := all[b.Name]
		complaints.add(key, made.Validate())
	}
	if len(complaints) > 0 {
		return nil, errors.Join(complaints...) // those of the second look, in web.New, would not know the knob
	}
	return all, nil
}

// checkBuckets says which allowed buckets nothing is known of.
func checkBuckets(allowed []string, list []config.Bucket) error {
	for _, name := range allowed {
		if !slices.ContainsFunc(list, func(b config.Bucket) bool { return b.Name == name }) {
			return fmt.Errorf("expected a bucket of origins.buckets, received s3://%s", name)
		}
	}
	return nil
}

// newBucket reads the knobs of a bucket. Its complaints begin with s3.
func newBucket(c config.S3) (*bucket, error) {
	var complaints complaints
	if c.Style != "path" && c.Style != "host" {
		complaints.add("s3.", fmt.Errorf("style: expected path or host, received %q", c.Style))
	}
	kept, err := s3blob.Open(s3blob.Options{
		Bucket: c.Bucket, Prefix: c.Prefix, Endpoint: c.Endpoint, Region: c.Region, AccessKey: c.AccessKey, SecretKey: string(c.SecretKey),
		HostStyle: c.Style == "host", Timeout: c.Timeout,
	})
	if complaints.add("s3.", err); len(complaints) > 0 {
		return nil, errors.Join(complaints...)
	}
	return &bucket{Store: kept}, nil
}

// reachBytes asks the bucket whether it is as configured. What passes is only logged:
// a node starts while the service is away, and is not ready.
func (a *app) reachBytes(ctx context.Context) error {
	if a.s3 == nil {
		return nil
	}
	err := a.bytesReady(ctx)
	var refused *s3blob.RefusedError
	if errors.As(err, &refused) {
		return fmt.Errorf("store.%w", err)
	}
	if err != nil {
		a.log.Warn("the bytes of images cannot be reached yet", "error", err)
	}
	return nil
}

// bytesReady reports whether bytes can be read. A bucket has to be reached once: an
// outage later is one of all nodes, which still have what they have cached.
func (a *app) bytesReady(ctx context.Context) error {
	if a.s3 == nil {
		_, gone := os.Stat(filepath.Join(a.settings.Data, blobsFolder)) // a volume may be unmounted under us
		return gone
	}
	if a.s3.reached.Load() {
		return nil
	}
	err := a.s3.Ready(ctx)
	if err == nil {
		a.s3.reached.Store(true)
	}
	return err
}

// measureBytes registers what a bucket counts.
func (a *app) measureBytes() {
	if a.s3 == nil {
		return
	}
	a.telemetry.Counter("fovea_s3_calls_total", "Reads, writes, removals and listings in the bucket of the store.", func() float64 { return float64(a.s3.Stats().Requests) })
	a.telemetry.Counter("fovea_s3_failures_total", "Those that the service failed, or whose bytes were broken.", func() float64 { return float64(a.s3.Stats().Failures) })
}
