package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	buffer   = 64 << 10
	largest  = 256 << 20 // body
	patience = 10 * time.Second
	stale    = 4 * time.Second // after which an idle connection is opened anew
)

// Answer is what came back. Its bytes are valid until the next request of the
// connection.
type Answer struct {
	Status int
	Body   []byte
	header *fasthttp.ResponseHeader
}

// Header is the value of a field; nil when it is absent.
func (a *Answer) Header(name string) []byte { return a.header.Peek(name) }

// Lines are the header lines of the answer that its server chose: all but those of every
// answer of fasthttp's.
func (a *Answer) Lines() []string {
	var all []string
	for name, value := range a.header.All() {
		switch string(name) {
		case "Content-Length", "Content-Type", "Server", "Date", "Connection":
		default:
			all = append(all, string(name)+": "+string(value))
		}
	}
	return all
}

// connection is one keep-alive connection with one request under way at a time.
type connection struct {
	address  string
	secure   bool
	timeout  time.Duration
	conn     net.Conn // nil = not open
	reader   *bufio.Reader
	response fasthttp.Response
	answer   Answer
	deadline time.Time
	used     time.Time // for the last time
	reopened int64     // times that the server had closed it meanwhile
}

func newConnection(address string, secure bool, timeout time.Duration) *connection {
	c := &connection{address: address, secure: secure, timeout: timeout, reader: bufio.NewReaderSize(nil, buffer)}
	c.answer.header = &c.response.Header
	return c
}

func (c *connection) dial(ctx context.Context) (err error) {
	dialer := net.Dialer{Timeout: patience}
	if c.secure {
		c.conn, err = (&tls.Dialer{NetDialer: &dialer}).DialContext(ctx, "tcp", c.address)
	} else {
		c.conn, err = dialer.DialContext(ctx, "tcp", c.address)
	}
	if err != nil {
		c.conn = nil
		return err
	}
	c.reader.Reset(c.conn)
	c.used = time.Now()
	c.deadline = time.Time{}
	return nil
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing of it is wanted any more
		c.conn = nil
	}
}

// ask sends r and reads its answer. A connection that the server closed while it was
// idle is opened again, once; after any other error it is opened by the next call.
func (c *connection) ask(ctx context.Context, r *Request) (*Answer, error) {
	// A server may give up a connection that nobody uses; clients know that.
	if time.Since(c.used) > stale {
		c.close()
	}
	reused := c.conn != nil
	err := c.try(ctx, r)
	if reused && closedIdle(err) && ctx.Err() == nil {
		c.close()
		c.reopened++
		err = c.try(ctx, r)
	}
	c.used = time.Now()
	if err != nil {
		c.close()
		return nil, err
	}
	c.answer.Status, c.answer.Body = c.response.StatusCode(), c.response.Body()
	if c.response.ConnectionClose() {
		c.close()
	}
	return &c.answer, nil
}

// closedIdle reports whether the server had closed the connection before it could
// read the request: nothing of an answer came.
func closedIdle(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (c *connection) try(ctx context.Context, r *Request) error {
	c.response.Reset()
	if c.conn == nil {
		if err := c.dial(ctx); err != nil {
			return err
		}
	}
	// Setting a deadline costs more than the clock: it is set a second ahead.
	if now := time.Now(); c.deadline.Before(now.Add(c.timeout)) {
		c.deadline = now.Add(c.timeout + time.Second)
		if err := c.conn.SetDeadline(c.deadline); err != nil {
			return err
		}
	}
	if _, err := c.conn.Write(r.Raw); err != nil {
		return err
	}
	c.response.SkipBody = r.Head
	return c.response.ReadLimitBody(c.reader, largest)
}

// Get returns the request GET path with header lines such as "Accept: image/webp",
// that expects the status.
func Get(host, path string, status int, lines ...string) *Request {
	return Ask("GET", host, path, status, nil, lines...)
}

// Ask is Get for any method, with a body.
func Ask(method, host, path string, status int, body []byte, lines ...string) *Request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	if body != nil {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	return &Request{Raw: b.Bytes(), Status: status, Head: method == "HEAD"}
}

// Target is the request line's path, for complaints: what follows "?" may be a proof.
func (r *Request) Target() string {
	line, _, _ := strings.Cut(string(r.Raw[:min(len(r.Raw), 512)]), " HTTP/")
	line, _, _ = strings.Cut(line, "?")
	return line
}

// Plain judges an answer by its status and length and, when sampled, by all bytes.
func Plain(r *Request, a *Answer, sampled bool) error {
	switch {
	case a.Status != r.Status:
		return fmt.Errorf("%s: expected %d, received %d: %.200q", r.Target(), r.Status, a.Status, a.Body)
	case r.Body != nil && len(a.Body) != len(r.Body):
		return fmt.Errorf("%s: expected %d bytes, received %d", r.Target(), len(r.Body), len(a.Body))
	case r.Body != nil && sampled && !bytes.Equal(a.Body, r.Body):
		return fmt.Errorf("%s: the bytes are not those that were expected", r.Target())
	}
	return nil
}

// Copy returns an answer that stays valid.
func (a *Answer) Copy() *Answer {
	header := &fasthttp.ResponseHeader{}
	a.header.CopyTo(header)
	return &Answer{Status: a.Status, Body: bytes.Clone(a.Body), header: header}
}
