package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/fovea-images/fovea/params"
)

// workers is how many transforms each contender has under way.
const workers = 2

// workload is a kind of work, measured in one row.
type workload struct {
	id, title string
	batch     batch // its tasks are ours
}

// Qualities asked for where none is matched. Ours is the contract's, which means
// the same in every format; other AVIF encoders count differently.
const (
	quality         = 80
	peerAVIFQuality = 60
)

// workloads are what is measured, in the order of the table.
func workloads(sources []source) ([]workload, error) {
	var wrong error
	is := func(name string, w, h int, media params.Media) task {
		t, err := newTask(find(sources, name), w, h, media)
		if err != nil {
			wrong = err
		}
		return t
	}
	var storm []task
	for _, w := range []int{320, 480, 640, 800, 1024, 1280, 1600, 1920} {
		for _, m := range []params.Media{params.AVIF, params.WebP, params.JPEG} {
			storm = append(storm, is(large, w, 0, m))
		}
	}
	one := func(t task) batch { return batch{Tasks: []task{t}, Workers: workers} }
	all := []workload{
		{"W1", "12 MP JPEG → 800 WebP", one(is(large, 800, 0, params.WebP))},
		{"W2", "12 MP JPEG → 800 JPEG", one(is(large, 800, 0, params.JPEG))},
		{"W3", "12 MP JPEG → 800 AVIF", one(is(large, 800, 0, params.AVIF))},
		{"W4", "1600×1200 JPEG → 300×300 cover WebP", one(is(middle, 300, 300, params.WebP))},
		{"W5", "transparent PNG → 400 WebP", one(is(transparent, 400, 0, params.WebP))},
		{"W6", "animated GIF → 200 WebP", one(is(animation, 200, 0, params.WebP))},
		{"W7", "12 MP JPEG → 8 widths × {AVIF, WebP, JPEG}, once each", batch{Tasks: storm, Workers: workers, Once: true}},
		{"M", "a later 800 JPEG of a source just seen, 1 worker", batch{Tasks: []task{is(large, 800, 0, params.JPEG)}, Workers: 1, Later: true}},
	}
	return all, wrong
}

// mixture is n transforms of all sources, in an order that is always the same.
func mixture(sources []source, n int) (batch, error) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable on purpose
	b := batch{Workers: workers, Once: true}
	widths := []int{160, 320, 480, 640, 800, 1200, 1600}
	media := []params.Media{params.JPEG, params.WebP, params.AVIF}
	for range n {
		s := sources[random.IntN(len(sources))]
		t, err := newTask(s, widths[random.IntN(len(widths))], 0, media[random.IntN(len(media))])
		if err != nil {
			return b, err
		}
		b.Tasks = append(b.Tasks, t)
	}
	return b, nil
}

// newTask is s at w × h pixels; h = 0 means in proportion, both mean fit=cover.
// Only WebP is animated.
func newTask(s source, w, h int, media params.Media) (task, error) {
	t := task{
		Source: s.name, Width: w, Height: h, Cover: h != 0, Media: media.String(), Quality: quality,
		Animated: s.info.Animated() && media == params.WebP,
	}
	g, _, err := t.options().Geometry(s.info.Size, s.info.Orientation, params.Seen{})
	t.OutW, t.OutH = g.Output.W, g.Output.H
	return t, err
}

// find returns the source of that name, which gather always has.
func find(sources []source, name string) source {
	for _, s := range sources {
		if s.name == name {
			return s
		}
	}
	return source{name: name}
}

// forPeers are tasks with the qualities of other encoders.
func forPeers(tasks []task) []task {
	theirs := make([]task, len(tasks))
	for i, t := range tasks {
		if t.Media == params.AVIF.String() {
			t.Quality = peerAVIFQuality
		}
		theirs[i] = t
	}
	return theirs
}

// qualities says which are asked for: "80" or "71–80".
func qualities(tasks []task) string {
	least, most := 101, 0
	for _, t := range tasks {
		least, most = min(least, t.Quality), max(most, t.Quality)
	}
	if least == most {
		return fmt.Sprint(most)
	}
	return fmt.Sprintf("%d–%d", least, most)
}
