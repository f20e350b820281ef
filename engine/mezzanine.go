package engine

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/flight"
	"github.com/fovea-images/fovea/params"
)

// A mezzanine is a source picture decoded once, in sRGB and of at most
// mezzanineSide pixels a side, from which results are made. Whether a result is
// made from one depends on the source's header and the plan alone, never on what
// is in memory, so that the same URL always gets the same bytes.
const (
	mezzanineSide = 2048
	// leastSide is what a decoder must leave of the longer side: half of it is
	// what DecodeOptions.MinSize asks for.
	leastSide = 1920
	// smallSource is how many pixels are decoded fast enough to do without.
	smallSource = 2_000_000
	// headroom is how much larger, in percent, a mezzanine must be than the
	// picture made from it.
	headroom = 105
)

// mezzanineSize is the size of the mezzanine of a source, as stored.
func mezzanineSize(source params.Size) params.Size {
	long := max(source.W, source.H)
	if long <= mezzanineSide {
		return source
	}
	scaled := func(side int) int { return max((side*mezzanineSide+long/2)/long, 1) }
	return params.Size{W: scaled(source.W), H: scaled(source.H)}
}

// Mezzanine says how a result came by its pixels.
type Mezzanine uint8

// The ways.
const (
	NoMezzanine Mezzanine = iota // from the source itself
	Made                         // from a mezzanine made for it
	Joined                       // from one that was being made
	Kept                         // from one in memory
)

// String is the word for headers and metrics; "" for NoMezzanine.
func (m Mezzanine) String() string { return [...]string{"", "made", "joined", "kept"}[m] }

// mezzanines keeps pictures by name within a budget of bytes, the least recently
// used leave first. Those that it hands out are shared: they are read only. It is
// safe for use by many goroutines.
type mezzanines struct {
	flights flight.Group[*Picture]
	most    int64

	mu      sync.Mutex
	order   list.List // of *kept, newest use in front
	byName  map[string]*list.Element
	bytes   int64
	outcome [Kept + 1]int64
}

type kept struct {
	name    string
	picture *Picture
	bytes   int64
}

func newMezzanines(bytes int64) *mezzanines {
	return &mezzanines{most: bytes, byName: map[string]*list.Element{}}
}

// get returns the picture called name, made by work if it is not in memory and
// not being made. Errors are work's or ctx's.
func (m *mezzanines) get(ctx context.Context, name string, work func(context.Context) (*Picture, error)) (*Picture, Mezzanine, error) {
	if p := m.find(name); p != nil {
		return p, m.count(Kept), nil
	}
	p, joined, err := m.flights.Do(ctx, name, func(ctx context.Context) (*Picture, error) {
		if p := m.find(name); p != nil { // made since we looked
			return p, nil
		}
		p, err := work(ctx)
		if err == nil {
			m.keep(name, p)
		}
		return p, err
	})
	if err != nil {
		return nil, NoMezzanine, err
	}
	if joined {
		return p, m.count(Joined), nil
	}
	return p, m.count(Made), nil
}

func (m *mezzanines) count(o Mezzanine) Mezzanine {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outcome[o]++
	return o
}

func (m *mezzanines) find(name string) *Picture {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.byName[name]
	if !ok {
		return nil
	}
	m.order.MoveToFront(at)
	return at.Value.(*kept).picture
}

// keep takes p in and drops what no longer fits; one that is larger than the whole
// budget is not kept.
func (m *mezzanines) keep(name string, p *Picture) {
	bytes := pictureBytes(p) + int64(len(name))
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes > m.most || m.byName[name] != nil {
		return
	}
	m.byName[name] = m.order.PushFront(&kept{name, p, bytes})
	for m.bytes += bytes; m.bytes > m.most; {
		last := m.order.Remove(m.order.Back()).(*kept)
		delete(m.byName, last.name)
		m.bytes -= last.bytes
	}
}

// pictureBytes is the memory that p holds.
func pictureBytes(p *Picture) int64 {
	n := int64(len(p.EXIF) + len(p.ICC))
	for _, f := range p.Frames {
		n += f.Image.Bytes()
	}
	return n
}

// usesMezzanine reports whether the result is made from a mezzanine: the source
// is worth one, and it has pixels enough.
func (w *work) usesMezzanine() bool {
	o := &w.plan.Options
	if w.info.Media == params.SVG || w.plan.Source == "" || w.engine.mezzanines == nil || w.plan.Animated || w.plan.Lossless || o.Quality == 100 ||
		o.NeedsPixels() || w.tightens() || area(w.info.Size) <= smallSource {
		return false
	}
	least, size := w.minSize(), mezzanineSize(w.info.Size)
	return size == w.info.Size || least.W*headroom <= size.W*100 && least.H*headroom <= size.H*100
}

// mezzanine makes the picture that many results are made from. It waits for a
// worker of its own.
func (w *work) mezzanine(ctx context.Context) (*Picture, error) {
	size := mezzanineSize(w.info.Size)
	want := DecodeOptions{FirstFrame: true}
	if size != w.info.Size {
		want.MinSize = params.Size{W: size.W * leastSide / mezzanineSide / 2, H: size.H * leastSide / mezzanineSide / 2}
	}
	bytes := decodedBytes(w.info, want) + 4*area(size)
	if err := w.engine.workers.enter(ctx, bytes, usual); err != nil {
		return nil, err
	}
	defer w.engine.workers.leave(bytes)
	picture, err := w.decode(ctx, want)
	if err != nil {
		return nil, err
	}
	defer w.spent(&w.result.Resize, time.Now())
	img := picture.Frames[0].Image.Premultiply()
	made := &Picture{EXIF: picture.EXIF, Denominator: picture.Denominator}
	if max(img.W, img.H) > mezzanineSide {
		d := float64(max(picture.Denominator, 1))
		whole := pixel.Window{W: float64(w.info.Size.W) / d, H: float64(w.info.Size.H) / d}
		if img, err = pixel.Resize(ctx, img, whole, size.W, size.H); err != nil {
			return nil, err
		}
		made.Denominator = 0
	}
	if picture.ICC != nil || img.Model == pixel.CMYK {
		img = img.Unpremultiply().ToSRGB(picture.ICC).Premultiply()
	}
	made.Frames = []Frame{{Image: img}}
	return made, nil
}
