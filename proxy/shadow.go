package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
)

// Shadow has another service answer visitors, and tells how our answers differ from
// its. What is compared is made after the visitor has been served, and given to nobody.
type Shadow struct {
	// Ask passes a request on to the other service, proofs and all: it judges them. nil
	// = there is none, and we answer.
	Ask    func(ctx context.Context, f *origin.Forwarded) (*http.Response, error)
	Share  float64 // of the requests is compared, 0..1
	AtOnce int     // comparisons; while there are as many, no more are begun; 0 = 2
	// Bytes is how large an answer may be to be compared; 0 = 16 MiB. So much is held
	// for each that is.
	Bytes int
	// Patience is for one comparison; 0 = a minute.
	Patience time.Duration
	// Random is a number of [0, 1); nil = any.
	Random func() float64
	// Report is told of each that was compared, and of those that could not be.
	Report func(Difference)
}

// Validate reports whether s can be used.
func (s *Shadow) Validate() error {
	if s.Share < 0 || s.Share > 1 || math.IsNaN(s.Share) {
		return fmt.Errorf("share: expected a number from 0 to 1, received %v", s.Share)
	}
	if s.AtOnce < 0 || s.Bytes < 0 || s.Patience < 0 {
		return errors.New("at_once: expected a number of 0 or more")
	}
	return nil
}

func (s Shadow) withDefaults() Shadow {
	if s.AtOnce == 0 {
		s.AtOnce = 2
	}
	if s.Bytes == 0 {
		s.Bytes = 16 << 20
	}
	if s.Patience == 0 {
		s.Patience = time.Minute
	}
	if s.Random == nil {
		s.Random = rand.Float64
	}
	if s.Report == nil {
		s.Report = func(Difference) {}
	}
	return s
}

// Seen is what an answer looks like from outside.
type Seen struct {
	Status int
	Type   string // media type, without parameters
	Bytes  int
	Size   params.Size // in pixels; zero = it is no picture with a size
}

// Difference is what became of one comparison.
type Difference struct {
	Host, Path   string // Path is without the query: a query may hold a proof
	Theirs, Ours Seen
	// SSIM says how like the pictures are, 1 = the same; not a number where it does not
	// apply: they differ in size, or one of them is no picture of pixels.
	SSIM float64
	// Skipped: they were not compared, and why. Then nothing but Path is certain.
	Skipped string
	Err     error // why we failed, with its private cause; nil = we did not
}

// Why an answer was not compared.
const (
	SkippedBusy   = "busy"   // too many others are
	SkippedLarge  = "large"  // it has more than Shadow.Bytes
	SkippedCut    = "cut"    // it was not read to its end
	SkippedFailed = "failed" // a picture could not be decoded in time
)

// Word names the most telling difference: nothing, status, type or size, or skipped.
func (d *Difference) Word() string {
	switch {
	case d.Skipped != "":
		return "skipped"
	case d.Theirs.Status != d.Ours.Status:
		return "status"
	case d.Theirs.Status != http.StatusOK:
		return "nothing"
	case d.Theirs.Type != d.Ours.Type:
		return "type"
	case d.Theirs.Size != d.Ours.Size:
		return "size"
	}
	return "nothing"
}

// shadowing is a Shadow at work.
type shadowing struct {
	Shadow
	slots chan struct{}
}

// askOther returns what passes a request on to the other service, and has its answer
// compared if its turn has come. ctx is the server's, and outlives the request.
func (p *Proxy) askOther(ctx context.Context, r Request) passage {
	r.recalled = nil // it may no longer be right when ours is made
	r.trail = nil    // nobody waits for ours
	return func(wait context.Context, f *origin.Forwarded) (*http.Response, error) {
		s := &p.shadow
		if f.Method != http.MethodGet || r.IfNoneMatch != "" || !r.IfModifiedSince.IsZero() || s.Random() >= s.Share {
			return s.Ask(wait, f)
		}
		f.Header.Del("Accept-Encoding") // what is packed cannot be compared
		response, err := s.Ask(wait, f)
		if err != nil {
			return nil, err
		}
		d := &Difference{Host: r.Host, Path: withoutQuery(r.Target), SSIM: math.NaN()}
		d.Theirs = Seen{Status: response.StatusCode, Type: mediaOf(response.Header.Get("Content-Type"))}
		select {
		case s.slots <- struct{}{}:
		default:
			d.Skipped = SkippedBusy
			s.Report(*d)
			return response, nil
		}
		response.Body = &overheard{ReadCloser: response.Body, left: response.ContentLength, most: s.Bytes, heard: func(body []byte, skipped string) {
			d.Skipped = skipped
			go func() {
				defer func() { <-s.slots }()
				if d.Skipped == "" {
					p.compare(ctx, &r, body, d)
				}
				s.Report(*d)
			}()
		}}
		return response, nil
	}
}

// overheard is a body that is listened to while it is read by the visitor. heard is
// called once.
type overheard struct {
	io.ReadCloser
	left  int64 // -1 = not known
	most  int
	body  bytes.Buffer
	heard func(body []byte, skipped string)
}

// Read implements io.Reader.
func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	if o.heard == nil {
		return n, err
	}
	if o.body.Len()+n > o.most {
		o.tell(SkippedLarge)
		return n, err
	}
	o.body.Write(p[:n])
	if o.left > 0 {
		o.left -= int64(n)
	}
	if errors.Is(err, io.EOF) || o.left == 0 {
		o.tell("")
	}
	return n, err
}

// Close implements io.Closer.
func (o *overheard) Close() error {
	skipped := SkippedCut
	if o.left == 0 {
		skipped = ""
	}
	o.tell(skipped)
	return o.ReadCloser.Close()
}

func (o *overheard) tell(skipped string) {
	if o.heard == nil {
		return
	}
	heard, body := o.heard, o.body.Bytes()
	o.heard, o.body = nil, bytes.Buffer{}
	heard(body, skipped)
}

// mediaOf is a Content-Type without its parameters.
func mediaOf(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// compare makes our answer and lays it beside theirs.
func (p *Proxy) compare(ctx context.Context, r *Request, theirs []byte, d *Difference) {
	defer func() {
		if v := recover(); v != nil {
			d.Skipped, d.Err = SkippedFailed, fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, p.shadow.Patience)
	defer cancel()
	answer, err := p.Serve(ctx, r)
	var body []byte
	switch {
	case errors.Is(err, errNotOurs):
		d.Ours.Status = http.StatusNotFound
	case err != nil && answer.Fallback != "":
		d.Ours.Status = http.StatusTemporaryRedirect
	case err != nil:
		_, d.Ours.Status, _ = Failure(err)
		d.Err = err
	default:
		body = answer.Entry.Body
		d.Ours = Seen{Status: http.StatusOK, Type: mediaOf(answer.Entry.Type)}
	}
	d.Theirs.Bytes, d.Ours.Bytes = len(theirs), len(body)
	if d.Theirs.Status != http.StatusOK || d.Ours.Status != http.StatusOK {
		return
	}
	d.Theirs.Size, d.Ours.Size = p.sizeOf(theirs), p.sizeOf(body)
	if d.Theirs.Size != d.Ours.Size || d.Ours.Size == (params.Size{}) {
		return
	}
	if d.SSIM, err = p.Engine.Likeness(ctx, theirs, body); err != nil {
		d.SSIM, d.Skipped, d.Err = math.NaN(), SkippedFailed, err
	}
}

// sizeOf is the size of a picture in pixels; zero of what is none.
func (p *Proxy) sizeOf(body []byte) params.Size {
	info, err := p.Engine.Probe(body)
	if err != nil {
		return params.Size{}
	}
	return info.Size
}
