package s3blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/fovea-images/fovea/store"
)

var (
	errStalled = errors.New("no byte came in time")
	errLength  = errors.New("expected the length of the object, received an answer without one")
)

// Open implements store.Blobs. The last of the bytes are given only once all of them
// are known to have the hash that they are named by; an answer that breaks off is
// read on from where it did.
func (s *Store) Open(ctx context.Context, ref store.BlobRef) (io.ReadCloser, int64, error) {
	key, err := s.key(ref)
	if err != nil {
		return nil, 0, err
	}
	r := &reader{store: s, caller: ctx, ref: ref, key: key, hash: sha256.New()}
	var info minio.ObjectInfo
	switch info, err = r.ask(); {
	case err == nil && info.Size < 0:
		err = errLength
	case err == nil && info.Size == 0:
		err = r.verify()
	}
	if err != nil {
		return nil, 0, errors.Join(s.told(ctx, "read", err), r.Close())
	}
	r.size = info.Size
	return r, info.Size, s.told(ctx, "read", nil)
}

// reader is the bytes of one object.
type reader struct {
	store    *Store
	caller   context.Context //nolint:containedctx // a reader lives as long as the call that opened it
	cancel   context.CancelFunc
	ref      store.BlobRef
	key      string
	body     io.ReadCloser
	watch    *time.Timer // ends a request that gives nothing
	at, size int64
	resumed  int
	hash     hash.Hash
	err      error // what every further Read returns
}

const resumes = 2

// ask begins to read, from where the last answer broke off.
func (r *reader) ask() (minio.ObjectInfo, error) {
	ctx, cancel := context.WithCancelCause(r.caller)
	r.cancel = func() { cancel(nil) }
	r.watch = time.AfterFunc(r.store.Timeout, func() { cancel(errStalled) })
	var options minio.GetObjectOptions
	if r.at > 0 {
		if err := options.SetRange(r.at, 0); err != nil {
			return minio.ObjectInfo{}, err
		}
	}
	body, info, _, err := r.store.core.GetObject(ctx, r.store.Bucket, r.key, options)
	r.watch.Stop()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return info, err
	}
	r.body = body
	return info, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.err == nil && r.at == r.size {
		r.err = io.EOF
	}
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	for {
		n, err := r.some(p[:min(int64(len(p)), r.size-r.at)])
		r.hash.Write(p[:n])
		r.at += int64(n)
		if r.at == r.size {
			if err := r.verify(); err != nil {
				r.err = err
				return 0, err
			}
			return n, nil
		}
		if n > 0 {
			return n, nil // an error comes again
		}
		if err = r.again(err); err != nil {
			r.err = err
			return 0, err
		}
	}
}

// some reads some bytes of the answer, and does not wait for them any longer than the
// timeout.
func (r *reader) some(p []byte) (int, error) {
	r.watch.Reset(r.store.Timeout)
	defer r.watch.Stop()
	return r.body.Read(p)
}

// again asks anew after an answer has broken off. Nothing is left of a reader for
// whom it was in vain.
func (r *reader) again(err error) error {
	if err == nil {
		return nil // nothing came, and nothing is wrong
	}
	for r.resumed < resumes && r.caller.Err() == nil {
		r.resumed++
		_ = r.Close() // it has broken
		var info minio.ObjectInfo
		if info, err = r.ask(); err == nil && info.Size != r.size-r.at {
			err = fmt.Errorf("%w: %d bytes are left of it, expected %d", errTorn, info.Size, r.size-r.at)
		}
		if err == nil {
			return nil
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: received %d of %d bytes", errStalled, r.at, r.size)
	}
	return r.store.told(r.caller, "read", err)
}

var errTorn = errors.New("the object is not what was put there")

// verify compares what was read with the name.
func (r *reader) verify() error {
	if got := hex.EncodeToString(r.hash.Sum(nil)); got != r.ref.Hash() {
		r.store.failures.Add(1)
		return fmt.Errorf("s3: %w: expected bytes of the hash %s, received %s", errTorn, r.ref.Hash(), got)
	}
	return nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if r.cancel != nil {
		r.cancel()
		r.watch.Stop()
	}
	if r.body != nil {
		body := r.body
		r.body = nil
		_ = body.Close() // it was only read
	}
	return nil
}
