package codec

import (
	"bytes"
	"context"
	"io"
)

// The standard library's codecs read and write as they go, so the end of a context
// reaches them as an error of their stream.

type reader struct {
	ctx context.Context
	*bytes.Reader
}

func interruptible(ctx context.Context, src []byte) io.Reader {
	return reader{ctx, bytes.NewReader(src)}
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// ReadByte is what image/gif and compress/flate read by.
func (r reader) ReadByte() (byte, error) {
	if r.Len()&1023 == 0 && r.ctx.Err() != nil {
		return 0, r.ctx.Err()
	}
	return r.Reader.ReadByte()
}

type writer struct {
	ctx context.Context
	*bytes.Buffer
}

func (w writer) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Buffer.Write(p)
}
