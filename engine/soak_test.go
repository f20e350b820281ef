package engine_test

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/picturetest"
	"github.com/fovea-images/fovea/params"
)

// resident is the memory of this process that is in use, in kB.
func resident(t *testing.T) (kB int) {
	t.Helper()
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skip("memory is read from /proc: run this on Linux")
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			if _, err := fmt.Sscan(rest, &kB); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kB
}

// Two thousand mixed transforms: memory reaches a plateau.
func TestSoak(t *testing.T) {
	if os.Getenv("FOVEA_SOAK") == "" {
		t.Skip("takes minutes: FOVEA_SOAK=1 go test ./engine -run Soak, as .ci/run does")
	}
	debug.SetGCPercent(engine.GCPercent)
	e := newMezzanineEngine(t, 32<<20)
	sources := map[string][]byte{
		"large": as(t, params.JPEG, picturetest.Photo(1800, 1200, false)),
		"small": as(t, params.JPEG, picturetest.Photo(900, 600, false)),
		"alpha": as(t, params.PNG, picturetest.Photo(640, 480, true)),
	}
	names := []string{"large", "small", "alpha"}
	media := []params.Media{params.JPEG, params.WebP, params.AVIF, params.PNG, params.WebP}
	var sizes []int
	for part := range 8 {
		var all sync.WaitGroup
		for worker := range 4 {
			all.Go(func() {
				for i := range 2000 / 8 / 4 {
					n := part*250 + worker*62 + i
					name := names[n%len(names)]
					info, err := e.Probe(sources[name])
					if err != nil {
						t.Error(err)
						return
					}
					o := params.Options{Width: 40 + n*37%500, Height: 30 + n*53%400, Fit: params.Fit(n % 4), Gravity: params.Gravity{Kind: params.GravityKind(n % 3)}}
					plan := engine.Plan{Options: o, Media: media[n%len(media)], Source: fmt.Sprint(name, n%40)}
					if _, err := e.Transform(t.Context(), sources[name], info, plan); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		sizes = append(sizes, resident(t))
	}
	t.Logf("kB after each 250: %v", sizes)
	if s := e.Stats(); s.Running != 0 || s.Queued != 0 || s.Held != 0 {
		t.Errorf("work is left: %+v", s)
	}
	half := max(sizes[1], sizes[2], sizes[3])
	if last := max(sizes[6], sizes[7]); last > half*5/4 {
		t.Errorf("from %d to %d kB and no end", half, last)
	}
}
