package load

import (
	"errors"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve starts a server and returns its address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestRunCountsRightAndWrongAnswers(t *testing.T) {
	address := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/busy":
			rw.WriteHeader(http.StatusServiceUnavailable)
		case "/short":
			_, _ = rw.Write([]byte("pi"))
		case "/other":
			_, _ = rw.Write([]byte("xxxx"))
		case "/same":
			rw.WriteHeader(http.StatusNotModified)
		default:
			_, _ = rw.Write([]byte("pics"))
		}
	})
	for _, tt := range []struct {
		name, path string
		status     int
		right      int64
		complaint  string
	}{
		{"right ones have status and bytes", "/", 200, 20, ""},
		{"another status is wrong", "/busy", 200, 0, "expected 200, received 503"},
		{"another length is wrong", "/short", 200, 0, "expected 4 bytes, received 2"},
		{"other bytes are wrong", "/other", 200, 0, "not those that were expected"},
		{"an answer without a body may be right", "/same", 304, 20, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := Get(address, tt.path, tt.status)
			if tt.status == 200 {
				request.Body = []byte("pics")
			}
			got, err := Run(t.Context(), Plan{Address: address, Connections: 3, Count: 20, Next: func(int) *Request { return request }})
			if err != nil {
				t.Fatal(err)
			}
			if got.Answers != tt.right || got.Answers+got.Wrong != 20 || got.Latency.TotalCount() != tt.right {
				t.Errorf("%+v", got)
			}
			if complaints := strings.Join(got.Complaints, "\n"); !strings.Contains(complaints, tt.complaint) || tt.complaint == "" && complaints != "" {
				t.Errorf("complaints %q lack %q", complaints, tt.complaint)
			}
		})
	}
}

func TestRunSurvivesConnectionsThatTheServerCloses(t *testing.T) {
	address := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Connection", "close")
		_, _ = rw.Write([]byte("pics"))
	})
	request := Get(address, "/", 200)
	got, err := Run(t.Context(), Plan{Address: address, Connections: 2, Count: 10, Next: func(int) *Request { return request }})
	if err != nil || got.Wrong != 0 || got.Answers != 10 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRunCountsRequestsWithoutAnAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	request := Get("x", "/", 200)
	got, err := Run(t.Context(), Plan{Address: listener.Addr().String(), Connections: 1, Count: 3, Next: func(int) *Request { return request }})
	if err != nil || got.Wrong != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A stall of one answer must be charged to all who would have come meanwhile: with
// the time that each was due, about a third of the requests are late.
func TestOpenLoopChargesAStallToAllWhoWait(t *testing.T) {
	const stall = 300 * time.Millisecond
	var first atomic.Bool
	handler := func(http.ResponseWriter, *http.Request) {
		if first.CompareAndSwap(false, true) {
			<-time.After(stall)
		}
	}
	late := func(rate float64) (share float64, most time.Duration) {
		first.Store(false)
		address := serve(t, handler)
		request := Get(address, "/", 200)
		got, err := Run(t.Context(), Plan{Address: address, Connections: 1, Count: 450, Rate: rate, Next: func(int) *Request { return request }})
		if err != nil || got.Wrong != 0 || got.Answers != 450 {
			t.Fatalf("%+v, %v", got, err)
		}
		n := int64(0)
		for _, bar := range got.Latency.Distribution() {
			if bar.From >= int64(stall/6) {
				n += bar.Count
			}
		}
		return float64(n) / 450, time.Duration(got.Latency.Max())
	}
	// 250 requests were due more than a sixth of the stall before its end.
	if share, most := late(1000); share < .4 || most < stall {
		t.Errorf("an open loop saw %.0f %% late, at most %v", 100*share, most)
	}
	if _, most := late(0); most < stall {
		t.Errorf("a closed loop did not see the stall, at most %v", most)
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	for i, want := range map[int]time.Duration{0: 0, 1: 500 * time.Microsecond, 2000: time.Second, 7_200_000: time.Hour} {
		if got := dueAt(i, 2000); got != want {
			t.Errorf("request %d is due after %v, expected %v", i, got, want)
		}
	}
}

func TestRunRefusesPlansWithoutAnEnd(t *testing.T) {
	next := func(int) *Request { return nil }
	for _, p := range []Plan{{}, {Connections: 1, Next: next}, {Connections: 1, Count: 1}, {Next: next, Count: 1}, {Connections: 1, Next: next, Count: 1, Rate: -1}} {
		if _, err := Run(t.Context(), p); err == nil {
			t.Errorf("%+v was run", p)
		}
	}
}

func TestJudgeMayBeHandedIn(t *testing.T) {
	address := serve(t, func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("X-Here", "yes") })
	request := Get(address, "/", 200, "X-There: 1")
	sampled := 0
	got, err := Run(t.Context(), Plan{
		Address: address, Connections: 1, Count: 8, Sample: 4, Next: func(int) *Request { return request },
		Judge: func(_ *Request, a *Answer, look bool) error {
			if look {
				sampled++
			}
			if string(a.Copy().Header("X-Here")) != "yes" {
				return errors.New("header is absent")
			}
			return nil
		},
	})
	if err != nil || got.Wrong != 0 || sampled != 2 {
		t.Errorf("%+v, %v; sampled %d", got, err, sampled)
	}
}

func TestZipf(t *testing.T) {
	const n, draws = 1000, 400_000
	for _, s := range []float64{0, 1} {
		counts := make([]float64, n)
		for _, i := range NewZipf(n, s, 7).Sequence(draws) {
			counts[i]++
		}
		sum := 0.0
		for i := range n {
			sum += math.Pow(float64(i+1), -s)
		}
		for _, i := range []int{0, 1, 9, 99, 999} {
			want := draws * math.Pow(float64(i+1), -s) / sum
			if math.Abs(counts[i]-want) > 6*math.Sqrt(want) {
				t.Errorf("s = %g: rank %d was drawn %.0f times, expected %.0f", s, i, counts[i], want)
			}
		}
	}
	if !slices.Equal(NewZipf(n, 1, 7).Sequence(100), NewZipf(n, 1, 7).Sequence(100)) {
		t.Error("equal seeds draw other sequences")
	}
	if slices.Equal(NewZipf(n, 1, 7).Sequence(100), NewZipf(n, 1, 8).Sequence(100)) {
		t.Error("other seeds draw equal sequences")
	}
}
