// Package s3blob keeps bytes as objects of an S3-compatible service, named by their hash.
package s3blob

import (
	"context"
	"crypto/md5" //nolint:gosec // what services make entity tags of
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
)

// Options are what a Store is made from. Zero fields take the defaults named.
type Options struct {
	Bucket    string // required
	Endpoint  string // such as https://s3.example.com; Amazon's of the region
	Region    string // "us-east-1"
	AccessKey string // required
	SecretKey string // required
	Prefix    string // begins all keys; none
	// HostStyle puts the bucket into the host name, as Amazon prefers, instead of the path.
	HostStyle bool
	// Timeout is for a request, further tries included, and for a pause within the bytes
	// of an answer; 10 s, at most a minute. A Put has a second more for each MiB.
	Timeout time.Duration
	Scratch string // folder for what is put and cannot be read twice; the system's
}

// Store is a store.Blobs in a bucket: prefix + hash. A failure that may be gone a
// moment later is a *fault.Error of kind Overloaded.
type Store struct {
	Options
	core  minio.Core
	plain atomic.Bool // the service does not know conditional writes

	requests, failures atomic.Uint64
}

const (
	// attempts is how often a request is sent that fails in passing.
	attempts = 4
	// single is the most that is sent in one request, and part what is sent in one of several.
	single, part = 64 << 20, 16 << 20
	// renewed is the age from which bytes that are put again are written again, so that
	// List tells of this Put. It is well below the grace of a sweep.
	renewed = 30 * time.Minute
	// mostTimeout is well below how long a removal is waited for, and the grace of a sweep.
	mostTimeout = time.Minute
	// abandoned is the age from which an unfinished upload belongs to nobody.
	abandoned = time.Hour
)

// Open returns a Store. It does not connect: see Ready.
func Open(o Options) (*Store, error) {
	endpoint, errs := o.check()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: o.Timeout / 3, KeepAlive: 30 * time.Second}).DialContext, TLSHandshakeTimeout: o.Timeout / 2,
		ResponseHeaderTimeout: o.Timeout / 2, MaxResponseHeaderBytes: 64 << 10,
		MaxConnsPerHost: 256, MaxIdleConns: 256, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
		DisableCompression: true,
	}
	style := minio.BucketLookupPath
	if o.HostStyle {
		style = minio.BucketLookupDNS
	}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Secure: endpoint.Scheme == "https", Region: o.Region,
		BucketLookup: style, MaxRetries: attempts, Transport: transport,
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	return &Store{Options: o, core: minio.Core{Client: client}}, nil
}

// check sets the defaults and says what is wrong.
func (o *Options) check() (endpoint *url.URL, errs []error) {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Endpoint == "" {
		o.Endpoint = "https://s3." + o.Region + ".amazonaws.com"
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" || endpoint.User != nil || strings.Trim(endpoint.Path, "/") != "" || endpoint.RawQuery != "" {
		errs = append(errs, errors.New("endpoint: expected a URL such as https://s3.example.com, received something else")) // it may hold a password
	}
	if strings.Trim(o.Bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || len(o.Bucket) < 3 || len(o.Bucket) > 63 {
		errs = append(errs, fmt.Errorf("bucket: expected 3 to 63 lower-case letters, digits, '.' and '-', received %q", o.Bucket))
	}
	if strings.HasPrefix(o.Prefix, "/") || len(o.Prefix) > 512 || strings.Contains(o.Prefix, "//") {
		errs = append(errs, fmt.Errorf("prefix: expected the beginning of keys, such as images/, received %q", o.Prefix))
	}
	if o.AccessKey == "" {
		errs = append(errs, errors.New("access_key: expected the id of an access key, received none"))
	}
	if o.SecretKey == "" {
		errs = append(errs, errors.New("secret_key: expected the secret of the access key, received none"))
	}
	if o.Timeout < 0 || o.Timeout > mostTimeout {
		errs = append(errs, fmt.Errorf("timeout: expected a duration above 0, at most 1m, received %v", o.Timeout))
	}
	return endpoint, errs
}

func (s *Store) key(ref store.BlobRef) (string, error) {
	if !ref.Valid() {
		return "", fmt.Errorf("s3: %q is no name", ref)
	}
	return s.Prefix + string(ref), nil
}

// Ready asks the service whether the bucket is there for us to list.
func (s *Store) Ready(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	for object := range s.core.ListObjectsIter(limited, s.Bucket, minio.ListObjectsOptions{Prefix: s.Prefix, MaxKeys: 1}) {
		return s.told(ctx, "list", object.Err)
	}
	return s.told(ctx, "list", limited.Err())
}

// Put implements store.Blobs. The service compares what it received with the hash
// before the bytes are under their name.
func (s *Store) Put(ctx context.Context, as store.BlobRef, r io.Reader) (_ store.BlobRef, _ int64, err error) {
	body, hash, err := s.gather(ctx, r)
	if err != nil {
		return "", 0, fmt.Errorf("s3: %w", err)
	}
	defer func() {
		if closed := body.close(); err == nil {
			err = closed
		}
	}()
	ref, err := as.Of(hash)
	if err != nil {
		return "", 0, fmt.Errorf("s3: %w", err)
	}
	n := body.Size()
	limited, cancel := context.WithTimeout(ctx, s.Timeout+time.Duration(n>>20)*time.Second)
	defer cancel()
	if err := s.told(ctx, "write", s.put(limited, body.SectionReader, ref)); err != nil {
		return "", 0, err
	}
	return ref, n, nil
}

// put writes body under its name, unless it is there.
func (s *Store) put(ctx context.Context, body *io.SectionReader, ref store.BlobRef) error {
	key, err := s.key(ref)
	if err != nil {
		return err
	}
	if body.Size() > single {
		if s.fresh(ctx, key, body) {
			return nil
		}
		return s.inParts(ctx, key, body)
	}
	if s.plain.Load() {
		return s.write(ctx, key, body, ref, false)
	}
	err = s.write(ctx, key, body, ref, true)
	var said minio.ErrorResponse
	if !errors.As(err, &said) {
		return err
	}
	switch {
	case said.StatusCode == http.StatusPreconditionFailed && s.fresh(ctx, key, body):
		return nil
	case said.StatusCode == http.StatusNotImplemented:
		s.plain.Store(true)
	case said.StatusCode != http.StatusPreconditionFailed && said.Code != "ConditionalRequestConflict":
		return err
	}
	return s.write(ctx, key, body, ref, false)
}

const contentType = "application/octet-stream" // nobody is to show it as it is

// write sends body in one request. absent: only if nothing has the key.
func (s *Store) write(ctx context.Context, key string, body *io.SectionReader, ref store.BlobRef, absent bool) error {
	options := minio.PutObjectOptions{ContentType: contentType, DisableContentSha256: true} // it is signed with the hash that we have
	if absent {
		options.SetMatchETagExcept("*")
	}
	return s.insist(ctx, body, func(fresh io.Reader) error {
		_, err := s.core.PutObject(ctx, s.Bucket, key, fresh, body.Size(), "", ref.Hash(), options)
		return err
	})
}

// inParts sends body in several requests.
func (s *Store) inParts(ctx context.Context, key string, body *io.SectionReader) (err error) {
	id, err := s.core.NewMultipartUpload(ctx, s.Bucket, key, minio.PutObjectOptions{ContentType: contentType})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // if this fails, too, a sweep does it
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Timeout)
			defer cancel()
			_ = s.core.AbortMultipartUpload(ctx, s.Bucket, key, id)
		}
	}()
	var parts []minio.CompletePart
	for at := int64(0); at < body.Size(); at += part {
		piece := io.NewSectionReader(body, at, min(part, body.Size()-at))
		hash := sha256.New()
		if _, err := io.Copy(hash, &reading{ctx, piece}); err != nil {
			return err
		}
		number := len(parts) + 1
		options := minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(hash.Sum(nil)), DisableContentSha256: true}
		if err := s.insist(ctx, piece, func(fresh io.Reader) error {
			sent, err := s.core.PutObjectPart(ctx, s.Bucket, key, id, number, fresh, piece.Size(), options)
			if err == nil {
				parts = append(parts, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
			}
			return err
		}); err != nil {
			return err
		}
	}
	_, err = s.core.CompleteMultipartUpload(ctx, s.Bucket, key, id, parts, minio.PutObjectOptions{ContentType: contentType})
	return err
}

// insist sends body, again if that failed in passing. Each time it is another reader:
// a request that was answered early may still be reading the one before, which is why
// the client must not rewind it.
func (s *Store) insist(ctx context.Context, body *io.SectionReader, send func(fresh io.Reader) error) error {
	for attempt := 1; ; attempt++ {
		err := send(struct{ io.Reader }{io.NewSectionReader(body, 0, body.Size())})
		if err == nil || attempt == attempts || !fault.Is(s.meaning("write", err), fault.Overloaded) {
			return err
		}
		base := 100 * time.Millisecond << attempt
		timer := time.NewTimer(base/2 + rand.N(base)) //nolint:gosec // spreads load, keeps no secret
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// fresh reports whether body is under key, and was put lately. A service whose entity tags
// are others is sent the bytes again.
func (s *Store) fresh(ctx context.Context, key string, body *io.SectionReader) bool {
	at, err := s.core.StatObject(ctx, s.Bucket, key, minio.StatObjectOptions{})
	if err != nil || at.Size != body.Size() || time.Since(at.LastModified) >= renewed {
		return false
	}
	tag, err := entityTag(ctx, body)
	return err == nil && at.ETag == tag
}

// entityTag is what services say of the bytes that they received: the MD5 of them, or of
// the MD5s of the parts that they came in.
func entityTag(ctx context.Context, body *io.SectionReader) (string, error) {
	sum := func(at, n int64) ([]byte, error) {
		hash := md5.New() //nolint:gosec // theirs; who chose the bytes gains nothing by it
		_, err := io.Copy(hash, &reading{ctx, io.NewSectionReader(body, at, n)})
		return hash.Sum(nil), err
	}
	if body.Size() <= single {
		whole, err := sum(0, body.Size())
		return hex.EncodeToString(whole), err
	}
	all, parts := md5.New(), 0 //nolint:gosec // as above
	for at := int64(0); at < body.Size(); at += part {
		one, err := sum(at, min(part, body.Size()-at))
		if err != nil {
			return "", err
		}
		all.Write(one)
		parts++
	}
	return fmt.Sprintf("%x-%d", all.Sum(nil), parts), nil
}

// gathered are bytes that can be read more than once.
type gathered struct {
	*io.SectionReader
	file *os.File // to remove at the end; nil = none
}

func (g *gathered) close() error {
	if g.file == nil {
		return nil
	}
	return errors.Join(g.file.Close(), os.Remove(g.file.Name()))
}

// gather reads r to its end, returns its hash, and keeps in a file what cannot be read again.
func (s *Store) gather(ctx context.Context, r io.Reader) (_ *gathered, sum string, err error) {
	hash := sha256.New()
	if again, ok := r.(interface {
		io.ReaderAt
		io.Seeker
	}); ok {
		begin, err := again.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, "", err
		}
		n, err := io.Copy(hash, &reading{ctx, r})
		if err != nil {
			return nil, "", err
		}
		return &gathered{SectionReader: io.NewSectionReader(again, begin, n)}, hex.EncodeToString(hash.Sum(nil)), nil
	}
	file, err := os.CreateTemp(s.Scratch, "fovea-put-*")
	if err != nil {
		return nil, "", err
	}
	g := &gathered{file: file}
	n, err := io.Copy(io.MultiWriter(file, hash), &reading{ctx, r})
	if err != nil {
		return nil, "", errors.Join(err, g.close())
	}
	g.SectionReader = io.NewSectionReader(file, 0, n)
	return g, hex.EncodeToString(hash.Sum(nil)), nil
}

// reading ends with its context.
type reading struct {
	ctx context.Context
	r   io.Reader
}

func (r *reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Delete implements store.Blobs.
func (s *Store) Delete(ctx context.Context, ref store.BlobRef) error {
	key, err := s.key(ref)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	err = s.told(ctx, "delete", s.core.RemoveObject(limited, s.Bucket, key, minio.RemoveObjectOptions{}))
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// List implements store.Blobs.
func (s *Store) List(ctx context.Context, each func(store.BlobRef, time.Time) error) error {
	listing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(s.Timeout, func() { cancel(errStalled) })
	defer watch.Stop()
	for object := range s.core.ListObjectsIter(listing, s.Bucket, minio.ListObjectsOptions{Prefix: s.Prefix, Recursive: true}) {
		watch.Stop() // what is done with a name takes the time that it takes
		if object.Err != nil {
			return s.told(ctx, "list", object.Err)
		}
		if ref := store.BlobRef(strings.TrimPrefix(object.Key, s.Prefix)); ref.Valid() {
			if err := each(ref, object.LastModified); err != nil {
				return err
			}
		}
		watch.Reset(s.Timeout)
	}
	if context.Cause(listing) == errStalled { //nolint:errorlint // it is wrapped by nobody
		return s.told(ctx, "list", errStalled)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("s3: %w", err)
	}
	return s.told(ctx, "list the unfinished uploads", s.abort(ctx))
}

// abort ends the uploads that a crash has left. A service that cannot list them ends
// them by a rule of its own.
func (s *Store) abort(ctx context.Context) error {
	for key, id := "", ""; ; {
		limited, cancel := context.WithTimeout(ctx, s.Timeout)
		page, err := s.core.ListMultipartUploads(limited, s.Bucket, s.Prefix, key, id, "", 1000)
		cancel()
		var said minio.ErrorResponse
		if errors.As(err, &said) && (said.StatusCode == http.StatusNotImplemented || said.StatusCode == http.StatusMethodNotAllowed) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, upload := range page.Uploads {
			if ref := store.BlobRef(strings.TrimPrefix(upload.Key, s.Prefix)); !ref.Valid() || time.Since(upload.Initiated) < abandoned {
				continue
			}
			limited, cancel := context.WithTimeout(ctx, s.Timeout)
			err := s.core.AbortMultipartUpload(limited, s.Bucket, upload.Key, upload.UploadID)
			cancel()
			if err != nil && minio.ToErrorResponse(err).StatusCode != http.StatusNotFound {
				return err
			}
		}
		if !page.IsTruncated || len(page.Uploads) == 0 {
			return nil
		}
		key, id = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// Stats counts since the start.
type Stats struct{ Requests, Failures uint64 }

// Stats returns how many calls there were, and how many of them the service failed.
func (s *Store) Stats() Stats { return Stats{s.requests.Load(), s.failures.Load()} }
