package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/cache/cachetest"
)

func open(t *testing.T, o Options) *Tier {
	t.Helper()
	o.Bytes = max(o.Bytes, cachetest.Budget)
	tier, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tier.Close(); err != nil {
			t.Error(err)
		}
	})
	return tier
}

// again closes tier and opens what it left.
func again(t *testing.T, tier *Tier, o Options) *Tier {
	t.Helper()
	if err := tier.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, o)
}

func TestTier(t *testing.T) {
	cachetest.Tier(t, func(t *testing.T) cache.Tier {
		// The suite's entries are of a time of its own.
		return open(t, Options{Folder: t.TempDir(), Now: func() time.Time { return time.Unix(1_700_000_200, 0) }})
	})
}

func entry(body string, tags ...string) *cache.Entry {
	return &cache.Entry{Body: []byte(body), Type: "image/webp", Fresh: time.Hour, Filled: time.Now(), Tags: tags}
}

func has(t *testing.T, tier *Tier, key string) bool {
	t.Helper()
	_, ok := tier.Get(t.Context(), key)
	return ok
}

func TestARestartIsWarm(t *testing.T) {
	o := Options{Folder: t.TempDir()}
	tier := open(t, o)
	for i := range 20 {
		tier.Set(t.Context(), fmt.Sprint(i), entry(fmt.Sprint("body ", i)))
	}
	before := tier.Stats()
	tier = again(t, tier, o)
	for i := range 20 {
		if got, ok := tier.Get(t.Context(), fmt.Sprint(i)); !ok || string(got.Body) != fmt.Sprint("body ", i) {
			t.Fatalf("entry %d: %v %v", i, got, ok)
		}
	}
	tier.running.Wait()
	if after := tier.Stats(); after != before {
		t.Errorf("stats were %+v and are %+v", before, after)
	}
}

func TestTheLeastRecentlyAskedForGoes(t *testing.T) {
	now := time.Now()
	o := Options{Folder: t.TempDir(), Now: func() time.Time { return now }}
	tier := open(t, o)
	long := entry(string(make([]byte, 1<<20)))
	long.Fresh = 24 * time.Hour
	for i := range 7 {
		tier.Set(t.Context(), fmt.Sprint(i), long)
	}
	now = now.Add(2 * touch)
	if !has(t, tier, "0") { // which its file tells the next process
		t.Fatal("0 is not there")
	}
	tier = again(t, tier, o)
	tier.running.Wait()
	tier.Set(t.Context(), "new", long)
	for key, want := range map[string]bool{"0": true, "6": true, "new": true} {
		if has(t, tier, key) != want {
			t.Errorf("%s: there = %v", key, !want)
		}
	}
	if n := tier.Stats().Entries; n != 7 {
		t.Errorf("%d entries are kept", n)
	}
}

func TestTornAndRottenFilesAreNotServed(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"cut":     func(path string) error { return os.Truncate(path, 40) },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"flipped": flip,
		"another entry's": func(path string) error {
			return os.WriteFile(path, entry("x").AppendFrame(nil, "other"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			tier := open(t, Options{Folder: t.TempDir()})
			tier.Set(t.Context(), "a", entry("body"))
			if err := harm(tier.path(nameOf("a"))); err != nil {
				t.Fatal(err)
			}
			if got, ok := tier.Get(t.Context(), "a"); ok {
				t.Fatalf("served %q", got.Body)
			}
			tier.Set(t.Context(), "a", entry("new"))
			if got, ok := tier.Get(t.Context(), "a"); !ok || string(got.Body) != "new" {
				t.Errorf("afterwards got %v %v", got, ok)
			}
		})
	}
}

func flip(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)-1] ^= 1
	return os.WriteFile(path, b, 0o600)
}

// job fills with what it holds.
type job struct {
	body string
	tags []string
}

func (j job) Tags() []string { return j.tags }

func (j job) Fill(context.Context) (cache.Entry, error) {
	return cache.Entry{Body: []byte(j.body), Fresh: time.Hour, Tags: j.tags}, nil
}

func TestAPurgeOutlivesTheProcess(t *testing.T) {
	for name, tc := range map[string]struct {
		purge func(*cache.Cache)
		harm  func(t *testing.T, folder string)
		want  [2]string // bodies of a and b after the restart
	}{
		"nothing purged":    {func(*cache.Cache) {}, nil, [2]string{"old", "old"}},
		"one tag":           {func(c *cache.Cache) { c.Purge("image:a", "x y\"\n") }, nil, [2]string{"new", "old"}},
		"a prefix":          {func(c *cache.Cache) { c.PurgePrefix("image:a"); c.PurgePrefix("image:c") }, nil, [2]string{"new", "old"}},
		"all by a prefix":   {func(c *cache.Cache) { c.PurgePrefix("image:") }, nil, [2]string{"new", "new"}},
		"everything":        {func(c *cache.Cache) { c.PurgeAll() }, nil, [2]string{"new", "new"}},
		"an unfinished one": {func(c *cache.Cache) { c.Purge("image:a") }, appendTo(`17000000000000000000 "image:b`), [2]string{"new", "old"}},
		"a broken ledger":   {func(*cache.Cache) {}, appendTo("nonsense\n"), [2]string{"new", "new"}},
		"a ledger that is gone": {func(*cache.Cache) {}, func(t *testing.T, folder string) {
			if err := os.Remove(filepath.Join(folder, "purges")); err != nil {
				t.Fatal(err)
			}
		}, [2]string{"new", "new"}},
		"a ledger that cannot be written": {func(c *cache.Cache) {
			c.Tier.(*Tier).purges.file.Close()
			c.Purge("image:a")
			if c.Stats().Unrecorded != 1 {
				panic("the failure was not counted")
			}
		}, nil, [2]string{"new", "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			ask := func(body string, then func(*cache.Cache)) (got [2]string) {
				tier, err := Open(Options{Folder: folder, Bytes: MinBytes})
				if err != nil {
					t.Fatal(err)
				}
				c, err := cache.New(cache.Options{Tier: tier, Ledger: tier.Ledger()})
				if err != nil {
					t.Fatal(err)
				}
				for i, key := range []string{"a", "b"} {
					e, _, err := c.Get(t.Context(), key, job{body, []string{"image:" + key}})
					if err != nil {
						t.Fatal(err)
					}
					got[i] = string(e.Body)
				}
				then(c)
				_ = c.Close() // one row has closed the ledger under it
				return got
			}
			ask("old", tc.purge)
			if tc.harm != nil {
				tc.harm(t, folder)
			}
			if got := ask("new", func(*cache.Cache) {}); got != tc.want {
				t.Errorf("a and b are %q, want %q", got, tc.want)
			}
		})
	}
}

func appendTo(text string) func(*testing.T, string) {
	return func(t *testing.T, folder string) {
		f, err := os.OpenFile(filepath.Join(folder, "purges"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStampsDoNotRunBackwardsWithTheClock(t *testing.T) {
	now := time.Now()
	folder := t.TempDir()
	for i, clock := range []time.Time{now, now.Add(-time.Hour)} { // the clock was wrong, and set back
		tier := open(t, Options{Folder: folder, Now: func() time.Time { return clock }})
		c, err := cache.New(cache.Options{Tier: tier, Ledger: tier.Ledger(), Now: func() time.Time { return clock }})
		if err != nil {
			t.Fatal(err)
		}
		e, _, err := c.Get(t.Context(), "a", job{fmt.Sprint(i), []string{"image:a"}})
		if err != nil || string(e.Body) != fmt.Sprint(i) {
			t.Fatalf("run %d got %v, error %v", i, e, err)
		}
		c.Purge("image:a")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFolderBelongsToOneProcess(t *testing.T) {
	o := Options{Folder: t.TempDir(), Bytes: MinBytes}
	tier := open(t, o)
	if second, err := Open(o); err == nil {
		t.Error("opened twice")
		_ = second.Close()
	}
	again(t, tier, o)
}

func TestOpenComplains(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"too small":         {Folder: t.TempDir(), Bytes: MinBytes - 1},
		"a file, no folder": {Folder: file, Bytes: MinBytes},
	} {
		t.Run(name, func(t *testing.T) {
			if tier, err := Open(o); err == nil {
				t.Errorf("no complaint: %v", tier.Close())
			}
		})
	}
}

func TestWhatIsOverOrTooLargeIsNotKept(t *testing.T) {
	now := time.Now()
	tier := open(t, Options{Folder: t.TempDir(), Now: func() time.Time { return now }})
	tier.Set(t.Context(), "large", entry(string(make([]byte, MinBytes/2))))
	tier.Set(t.Context(), "brief", entry("body"))
	if has(t, tier, "large") || !has(t, tier, "brief") {
		t.Error("what is too large is kept, or what is not is lost")
	}
	now = now.Add(2 * time.Hour)
	if has(t, tier, "brief") || tier.Stats().Entries != 0 {
		t.Error("kept past its life")
	}
	future := entry("body")
	future.Filled = now.Add(time.Hour)
	tier.Set(t.Context(), "future", future)
	if has(t, tier, "future") {
		t.Error("an entry from the future is served")
	}
}

func TestSweepRemovesWhatIsDead(t *testing.T) {
	tier := open(t, Options{Folder: t.TempDir()})
	c, err := cache.New(cache.Options{Tier: tier, Ledger: tier.Ledger()})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "c"} {
		if _, _, err := c.Get(t.Context(), key, job{"body", []string{"image:" + key}}); err != nil {
			t.Fatal(err)
		}
	}
	c.Purge("image:b")
	if err := os.Truncate(tier.path(nameOf("c")), 30); err != nil {
		t.Fatal(err)
	}
	removed, err := c.Sweep(t.Context())
	if err != nil || removed != 2 {
		t.Errorf("removed %d, error %v", removed, err)
	}
	for key, want := range map[string]bool{"a": true, "b": false, "c": false} {
		if _, err := os.Stat(tier.path(nameOf(key))); errors.Is(err, os.ErrNotExist) == want {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestAHangingDiskIsAMiss(t *testing.T) {
	tier := open(t, Options{Folder: t.TempDir()})
	tier.Set(t.Context(), "a", entry("body"))
	stripe := tier.stripe(nameOf("a"))
	stripe.Lock() // a read that does not come back
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := tier.Get(ctx, "a"); ok {
		t.Error("waited for what hangs")
	}
	tier.patience = time.Millisecond
	if _, ok := tier.Get(t.Context(), "a"); ok { // nobody else would end the wait
		t.Error("found behind a read that hangs")
	}
	tier.Set(t.Context(), "a", entry("another"))
	for range access - 3 {
		tier.slots <- struct{}{}
	}
	if _, ok := tier.Get(t.Context(), "b"); ok {
		t.Error("found without a slot")
	}
	stripe.Unlock()
	for range access - 3 {
		<-tier.slots
	}
}

func TestManyAtOnceStayWithinTheBudget(t *testing.T) {
	tier := open(t, Options{Folder: t.TempDir()})
	body := bytes.Repeat([]byte("b"), 200<<10)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 40 {
				key := fmt.Sprint((i + w*5) % 60)
				tier.Set(t.Context(), key, entry(key+" "+string(body)))
				if got, ok := tier.Get(t.Context(), key); ok && !bytes.HasPrefix(got.Body, []byte(key+" ")) {
					t.Errorf("%s got another's", key)
				}
			}
		})
	}
	all.Wait()
	onDisk := int64(0)
	if err := filepath.WalkDir(filepath.Join(tier.root, entriesFolder), func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			onDisk += blocks(info.Size())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if s := tier.Stats(); s.Bytes != onDisk || s.Bytes > s.Budget {
		t.Errorf("counted %d of %d, on disk are %d", s.Bytes, s.Budget, onDisk)
	}
}

func FuzzLedger(f *testing.F) {
	f.Add("17 \"image:a\" ^\"image:b/\"\n18 *\n19 \"a b\" \"\\\"\"\n20 \"unfin")
	f.Fuzz(func(t *testing.T, text string) {
		known, err := parse([]byte(ledgerHead + text))
		if err != nil {
			return
		}
		b := []byte(ledgerHead)
		for _, p := range known {
			b = appendLine(b, p)
		}
		again, err := parse(b)
		if err != nil || len(again) != len(known) {
			t.Fatalf("%d purges became %d, error %v", len(known), len(again), err)
		}
	})
}

func TestCompactForgetsNoPurge(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	var known []cache.Purge
	for i := range maxTags + 100 {
		known = append(known, cache.Purge{Stamp: start.UnixNano() + int64(i), Tags: []string{fmt.Sprint(i)}})
	}
	kept := compact(known, start.Add(-time.Second))
	if len(kept) > maxTags {
		t.Errorf("%d purges are kept", len(kept))
	}
	floor, latest := int64(0), map[string]int64{}
	for _, p := range kept {
		if p.All {
			floor = max(floor, p.Stamp)
		}
		for _, tag := range p.Tags {
			latest[tag] = p.Stamp
		}
	}
	for _, p := range known {
		if p.Stamp > floor && latest[p.Tags[0]] != p.Stamp {
			t.Fatalf("the purge of %s is lost", p.Tags[0])
		}
	}
	if old := compact(known, start.Add(time.Hour)); len(old) != 0 {
		t.Errorf("%d purges that nothing is older than are kept", len(old))
	}
}
