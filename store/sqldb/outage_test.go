package sqldb

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache/redis/redistest"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/sqldb/postgrestest"
)

// told gathers what a DB hears.
type told struct {
	mu   sync.Mutex
	tags []string
	all  int // times that it was everything
}

func (to *told) hear(tags ...string) {
	to.mu.Lock()
	defer to.mu.Unlock()
	if to.tags = append(to.tags, tags...); len(tags) == 0 {
		to.all++
	}
}

func (to *told) has(tag string) bool {
	to.mu.Lock()
	defer to.mu.Unlock()
	return strings.Contains(strings.Join(to.tags, "\n")+"\n", tag+"\n")
}

func (to *told) everything() int {
	to.mu.Lock()
	defer to.mu.Unlock()
	return to.all
}

// listen has db hear until the test ends.
func listen(t *testing.T, db *DB) *told {
	t.Helper()
	to := &told{}
	ctx, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		db.Listen(ctx, to.hear)
	}()
	t.Cleanup(func() { end(); <-done })
	redistest.Until(t, "the database is heard", db.Vouched)
	return to
}

func account(t *testing.T, db *DB) store.Account {
	t.Helper()
	a := store.NewAccount("")
	if err := db.AddAccount(t.Context(), a, store.NewKey("default")); err != nil {
		t.Fatal(err)
	}
	return a
}

// What is acknowledged outlives an outage, and nothing is vouched for that may have been missed.
func TestADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]struct {
		begin, end func(*postgrestest.Server, *testing.T)
	}{
		"killed":  {func(s *postgrestest.Server, _ *testing.T) { s.Kill() }, (*postgrestest.Server).Restart},
		"stopped": {(*postgrestest.Server).Pause, (*postgrestest.Server).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			server := postgrestest.Start(t)
			db, err := OpenPostgres(t.Context(), Postgres{URL: server.Database(t, "names"), Connections: 4, Timeout: time.Second, Trust: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			a, to := account(t, db), listen(t, db)
			kept := 0
			for ; kept < 5; kept++ {
				if _, err := db.AddImage(t.Context(), store.Image{Account: a.Hash, ID: string(rune('a' + kept))}, false); err != nil {
					t.Fatal(err)
				}
			}
			before := to.everything()
			outage.begin(server, t)
			if _, err := db.AddImage(t.Context(), store.Image{Account: a.Hash, ID: "z"}, false); !fault.Is(err, fault.Overloaded) {
				t.Errorf("an image: %v", err)
			}
			patient, end := context.WithTimeout(t.Context(), 20*time.Second)
			defer end()
			if _, err := db.List(patient, store.Query{Account: a.Hash, Search: "a", Limit: 1}); !fault.Is(err, fault.Overloaded) || patient.Err() != nil {
				t.Errorf("a search: %v, %v", err, patient.Err())
			}
			if _, err := db.Image(t.Context(), a.Hash, "a"); !fault.Is(err, fault.Overloaded) {
				t.Errorf("a look: %v", err)
			}
			redistest.Until(t, "nothing is vouched for", func() bool { return !db.Vouched() })
			if err := db.Ready(); err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("ready: %v", err)
			}
			outage.end(server, t)
			redistest.Until(t, "the database is heard again", db.Vouched)
			if to.everything() == before || db.Lost() == 0 || db.Ready() != nil {
				t.Errorf("everything was to be forgotten %d and %d times, %d connections were lost, %v", before, to.everything(), db.Lost(), db.Ready())
			}
			redistest.Until(t, "a change is made", func() bool {
				_, err := db.AddImage(t.Context(), store.Image{Account: a.Hash, ID: "after"}, true)
				return err == nil
			})
			for i := range kept {
				if _, err := db.Image(t.Context(), a.Hash, string(rune('a'+i))); err != nil {
					t.Errorf("an image that was acknowledged: %v", err)
				}
			}
		})
	}
}

// late is a way to a server on which every answer takes a while.
type late struct {
	address string
	delay   atomic.Int64           // nanoseconds
	holds   atomic.Pointer[string] // what is held on its way to the server, once; nil = nothing
	held    chan struct{}          // closed when it is: nobody connects from then on
	free    chan struct{}          // to close when it may go on
}

// hold has the next message with text in it wait, with all that comes after it.
func (l *late) hold(text string) { l.holds.Store(&text) }

// forward carries what is asked.
func (l *late) forward(ctx context.Context, to, from net.Conn) {
	room := make([]byte, 32<<10)
	for {
		n, err := from.Read(room)
		if text := l.holds.Load(); text != nil && bytes.Contains(room[:n], []byte(*text)) && l.holds.CompareAndSwap(text, nil) {
			close(l.held)
			select {
			case <-ctx.Done():
			case <-l.free:
			}
		}
		if _, bad := to.Write(room[:n]); err != nil || bad != nil {
			return
		}
	}
}

// open reports whether it takes connections.
func (l *late) open() bool {
	select {
	case <-l.held:
		return false
	default:
		return true
	}
}

func detour(t *testing.T, to string) *late {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &late{address: listener.Addr().String(), held: make(chan struct{}), free: make(chan struct{})}
	var all sync.WaitGroup
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(func() { end(); _ = listener.Close(); all.Wait() })
	all.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			if !l.open() {
				_ = from.Close()
				continue
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			context.AfterFunc(ctx, func() { _ = from.Close(); _ = there.Close() })
			all.Go(func() { l.forward(ctx, there, from); _ = there.Close() })
			all.Go(func() { l.carry(ctx, from, there); _ = from.Close() })
		}
	})
	return l
}

func (l *late) carry(ctx context.Context, to, from net.Conn) {
	room := make([]byte, 32<<10)
	for {
		n, err := from.Read(room)
		if delay := time.Duration(l.delay.Load()); n > 0 && delay > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(delay):
			}
		}
		if _, bad := to.Write(room[:n]); err != nil || bad != nil {
			return
		}
	}
}

func TestASlowDatabaseIsSlowAndNoMore(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	url := server.Database(t, "names")
	way := detour(t, server.Address)
	db, err := OpenPostgres(t.Context(), Postgres{URL: strings.Replace(url, server.Address, way.address, 1), Connections: 4, Timeout: 10 * time.Second, Trust: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a := account(t, db)
	to := listen(t, db)
	way.delay.Store(int64(200 * time.Millisecond))
	if _, err := db.AddImage(t.Context(), store.Image{Account: a.Hash, ID: "a"}, false); err != nil {
		t.Errorf("200 ms: %v", err)
	}
	other := openPostgres(t, url)
	if _, err := other.RemoveImage(t.Context(), a.Hash, "a"); err != nil {
		t.Fatal(err)
	}
	redistest.Until(t, "what is told late is heard", func() bool { return to.has("image:" + a.Hash + "/a") })
	if !db.Vouched() {
		t.Error("a database that is slow is not believed")
	}
	way.delay.Store(int64(time.Minute))
	redistest.Until(t, "one that is slower than all patience is not believed", func() bool { return !db.Vouched() })
}

// However a server hangs that has its tables, a start ends, and says why.
func TestAStartDoesNotWaitForADatabaseThatHangs(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	url := server.Database(t, "names")
	openPostgres(t, url) // makes the tables
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = deaf.Close() })
	hung := func(text string) string {
		way := detour(t, server.Address)
		way.hold(text)
		return way.address
	}
	for name, address := range map[string]string{
		"while it connects":                  deaf.Addr().String(),
		"when it is asked for its version":   hung("FROM pg_class"),
		"while changes are prepared":         hung("INSERT INTO accounts"),
		"while looks are prepared":           hung("SELECT count(*) FROM images"),
		"when the connection is to be ready": hung("application_name"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, end := context.WithTimeout(t.Context(), time.Minute)
			defer end()
			db, err := OpenPostgres(ctx, Postgres{URL: strings.Replace(url, server.Address, address, 1) + "&connect_timeout=100", Timeout: 3 * time.Second})
			if err == nil {
				_ = db.Close()
			}
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "database: expected an answer within 3s, received none") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A stop waits no longer for a server that hangs than a question does, however many
// connections there are.
func TestAStopDoesNotWaitForADatabaseThatHangs(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	db, err := OpenPostgres(t.Context(), Postgres{URL: server.Database(t, "names"), Connections: 32, Timeout: 8 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 { // of each kind
		all.Go(func() {
			for range 20 {
				_, used := db.BlobUsed(t.Context(), "a")
				_, set := db.AddTombstone(t.Context(), "a", time.Now())
				if err := errors.Join(used, set); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	server.Pause(t)
	defer server.Resume(t)
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("it waits")
	}
}

// A change may come into force after who asked for it has gone. The node that was asked
// hears of it like the others: what it knew meanwhile is no longer so.
func TestAChangeThatComesIntoForceLateIsHeardByItsOwnNode(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	way := detour(t, server.Address)
	db, err := OpenPostgres(t.Context(), Postgres{URL: strings.Replace(server.Database(t, "names"), server.Address, way.address, 1), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a := account(t, db)
	if _, err := db.AddImage(t.Context(), store.Image{Account: a.Hash, ID: "a"}, false); err != nil {
		t.Fatal(err)
	}
	to := listen(t, db)
	private := func() bool {
		img, err := db.Image(t.Context(), a.Hash, "a")
		if err != nil {
			t.Fatal(err)
		}
		return img.RequireSigned
	}
	private()
	way.hold("commit\x00")
	ctx, end := context.WithCancel(t.Context())
	defer end()
	go func() { <-way.held; end() }()
	hide := true
	if _, err := db.ChangeImage(ctx, a.Hash, "a", store.Change{RequireSigned: &hide}); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if private() {
		t.Fatal("it is in force before it was committed")
	}
	close(way.free)
	redistest.Until(t, "the change is heard", func() bool { return to.has("image:" + a.Hash + "/a") })
	if !private() {
		t.Error("it is heard before it is in force")
	}
}

// What is called for while names are held must not be called once they no longer are.
func TestAChangeThatWasEndedCallsNobody(t *testing.T) {
	ended := make(chan struct{})
	c := &change{on: &pool{dialect: postgresDialect{}, patience: time.Minute}}
	c.watch = time.AfterFunc(0, func() { close(ended) })
	<-ended
	err := c.out(func() error { t.Error("it has called"); return nil })
	if !fault.Is(err, fault.Overloaded) {
		t.Errorf("%v", err)
	}
}
