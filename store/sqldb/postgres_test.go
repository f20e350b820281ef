package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache/redis/redistest"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/sqldb/postgrestest"
	"github.com/fovea-images/fovea/store/storetest"
)

// openPostgres opens a database until the test ends.
func openPostgres(t *testing.T, url string) *DB {
	t.Helper()
	db, err := OpenPostgres(t.Context(), Postgres{URL: url, Connections: 6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// What leaves the server as it was shares one.
func TestPostgres(t *testing.T) {
	server := postgrestest.Start(t)
	for name, test := range map[string]func(*testing.T, *postgrestest.Server){
		"it keeps names": keepsNames,
		"of many that start at once one migrates":    migratesOnce,
		"what is wrong is said without the password": saysWhatIsWrong,
		"metadata spoils no list":                    listsWhatever,
		"others are told of changes":                 tellsOthers,
		"an ended context lets go":                   letsGo,
		"who is slow hears many changes together":    hearsSlowly,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

func keepsNames(t *testing.T, server *postgrestest.Server) {
	var n atomic.Int64
	storetest.Names(t, func(t *testing.T) (a, b store.Names) {
		schema := fmt.Sprint("names", n.Add(1)) // faster than a database
		server.Do(t, "postgres", "CREATE SCHEMA "+schema)
		url := server.URL("postgres") + "&search_path=" + schema
		return openPostgres(t, url), openPostgres(t, url)
	})
}

func migratesOnce(t *testing.T, server *postgrestest.Server) {
	url := server.Database(t, "migrated")
	if _, err := OpenPostgres(t.Context(), Postgres{URL: url, Look: true}); !errors.Is(err, ErrEmpty) {
		t.Errorf("who only looks at nothing: %v", err)
	}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			db, err := OpenPostgres(t.Context(), Postgres{URL: url, Connections: 2})
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	patient := func(url string) error { // it waits for who makes the tables, however short its patience
		ctx, end := context.WithTimeout(t.Context(), time.Minute)
		defer end()
		db, err := OpenPostgres(ctx, Postgres{URL: url + "&connect_timeout=30", Connections: 2, Timeout: time.Second})
		if err != nil {
			return err
		}
		return db.Close()
	}
	holder := openPostgres(t, url)
	server.Do(t, "migrated", "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	if err := holder.change(t.Context(), func(ctx context.Context, c *change) error {
		if err := c.hold(ctx, "migrations", false); err != nil {
			return err
		}
		return c.out(func() error {
			waited := make(chan error, 1)
			go func() { waited <- patient(url) }()
			select {
			case err := <-waited:
				return fmt.Errorf("it did not wait: %w", err)
			case <-time.After(2 * time.Second):
			}
			all.Go(func() {
				if err := <-waited; err != nil {
					t.Errorf("who waited: %v", err)
				}
			})
			return nil
		})
	}); err != nil {
		t.Error(err)
	}
	all.Wait()
	if got := server.Do(t, "migrated", "SELECT number FROM fovea_migrations"); got != "2\n" {
		t.Errorf("migrations that were done: %q", got)
	}
	server.Do(t, "migrated", "INSERT INTO fovea_migrations (number) VALUES (99)")
	_, err := OpenPostgres(t.Context(), Postgres{URL: url})
	if err == nil || !strings.Contains(err.Error(), "it is of version 99, made by a newer program; this one knows 2") {
		t.Errorf("a newer database: %v", err)
	}
}

func saysWhatIsWrong(t *testing.T, server *postgrestest.Server) {
	for name, tt := range map[string]struct{ url, want string }{
		"password": {strings.Replace(server.URL("postgres"), "secret", "wrong-secret", 1), "password authentication failed"},
		"database": {server.URL("absent-of-secret"), `database "absent-of-secret" does not exist`},
		"address":  {"postgres://fovea:wrong-secret@127.0.0.1:1/names", "refused"},
		"URL":      {"postgres://fovea:wrong-secret@[:1/names", "expected a URL"},
		"scheme":   {"mysql://fovea:wrong-secret@127.0.0.1:1/names", "expected a URL"},
		"no URL":   {"host=127.0.0.1 password=wrong-secret", "expected a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenPostgres(t.Context(), Postgres{URL: tt.url})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "wrong-secret") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("bounds", func(t *testing.T) {
		err := Postgres{URL: server.URL("x"), Connections: 1, Timeout: -1, Trust: 1}.Validate()
		if err == nil || strings.Count(err.Error(), "\n") != 2 {
			t.Errorf("%v", err)
		}
	})
	t.Run("what no role may do", func(t *testing.T) {
		url := server.Database(t, "closed")
		server.Do(t, "closed", "CREATE ROLE reader LOGIN PASSWORD 'wrong-secret'")
		_, err := OpenPostgres(t.Context(), Postgres{URL: strings.Replace(url, "fovea:secret", "reader:wrong-secret", 1)})
		if err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%v", err)
		}
	})
}

// Whatever an image says of itself, a list of others is answered.
func listsWhatever(t *testing.T, server *postgrestest.Server) {
	db := openPostgres(t, server.Database(t, "whatever"))
	account := store.NewAccount("")
	if err := db.AddAccount(t.Context(), account, store.NewKey("default")); err != nil {
		t.Fatal(err)
	}
	for i, meta := range []string{
		`{"n":1e400000,"s":"\u0000"}`, `{"n":-1e999999999999}`, `{"n":1e-999999}`, `{"n":0e99999}`, `{"n":5,"s":"\\u0000"}`, `{"n":[5,6],"s":{"0":"x"}}`, `{"n":"\ud800","null":1,"s":["x"]}`,
	} {
		img := store.Image{Account: account.Hash, ID: fmt.Sprint(i), Filename: "a\x00\xff", Meta: []byte(meta)}
		if _, err := db.AddImage(t.Context(), img, false); err != nil {
			t.Fatal(err)
		}
	}
	five, none, x, backslash := "5", "\x00", "x", `\u0000`
	number := func(o store.Operator) []store.Condition {
		return []store.Condition{{Field: []string{"n"}, Operator: o, Values: []store.Value{{Number: &five}}}}
	}
	for name, tt := range map[string]struct {
		q    store.Query
		want string
	}{
		"greater":            {store.Query{Where: number(store.Greater)}, "0"},
		"less":               {store.Query{Where: number(store.Less)}, "123"},
		"equal":              {store.Query{Where: number(store.Equal)}, "4"},
		"a NUL":              {store.Query{Where: []store.Condition{{Field: []string{"s"}, Values: []store.Value{{Text: &none}}}}}, "0"},
		"a text like a NUL":  {store.Query{Where: []store.Condition{{Field: []string{"s"}, Values: []store.Value{{Text: &backslash}}}}}, "4"},
		"a place in a list":  {store.Query{Where: []store.Condition{{Field: []string{"s", "0"}, Values: []store.Value{{Text: &x}}}}}, "5"},
		"a search for a NUL": {store.Query{Search: "a\x00"}, "0123456"},
		"a name of SQL's":    {store.Query{Where: []store.Condition{{Field: []string{"null"}, Values: []store.Value{{Literal: &five}}}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tt.q.Account, tt.q.Ascending, tt.q.Limit = account.Hash, true, 10
			list, err := db.List(t.Context(), tt.q)
			got := ""
			for i := range list {
				got += list[i].ID
			}
			if err != nil || got != tt.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	if _, err := db.Image(context.Background(), account.Hash, "\x00\xff"); err == nil {
		t.Error("an image that cannot be")
	}
}

func tellsOthers(t *testing.T, server *postgrestest.Server) {
	url := server.Database(t, "told")
	one, other := openPostgres(t, url), openPostgres(t, url)
	mine, theirs := listen(t, one), listen(t, other)
	a := account(t, one)
	open := true
	for _, tt := range []struct {
		what string
		do   func() error
		tag  string
	}{
		{"an account that is new", func() error { return nil }, "account:" + a.Hash},
		{"an image that is added", func() error {
			_, err := one.AddImage(t.Context(), store.Image{Account: a.Hash, ID: "a/b\u00e9"}, false)
			return err
		}, "image:" + a.Hash + "/a/b\u00e9"},
		{"an image that is changed", func() error {
			_, err := one.ChangeImage(t.Context(), a.Hash, "a/b\u00e9", store.Change{RequireSigned: &open})
			return err
		}, "image:" + a.Hash + "/a/b\u00e9"},
		{"a variant", func() error {
			return one.AddVariant(t.Context(), a.Hash, store.Variant{Name: "v"}, 9)
		}, "variant:" + a.Hash + "/v"},
		{"a key", func() error { return one.SetKey(t.Context(), a.Hash, store.NewKey("k"), 9) }, "account:" + a.Hash},
		{"an image that is removed", func() error {
			_, err := one.RemoveImage(t.Context(), a.Hash, "a/b\u00e9")
			return err
		}, "image:" + a.Hash + "/a/b\u00e9"},
		{"a change by hand", func() error {
			server.Do(t, "told", "UPDATE variants SET never_signed = 1 WHERE name = 'public'")
			return nil
		}, "variant:" + a.Hash + "/public"},
	} {
		if err := tt.do(); err != nil {
			t.Fatal(err)
		}
		redistest.Until(t, "the other process has heard of "+tt.what, func() bool { return theirs.has(tt.tag) })
		theirs.mu.Lock()
		theirs.tags = nil
		theirs.mu.Unlock()
	}
	if mine.has("image:" + a.Hash + "/a/b\u00e9") {
		t.Error("a process is told of what it did itself")
	}
	before := theirs.everything()
	server.Do(t, "told", "TRUNCATE images")
	redistest.Until(t, "everything has been forgotten", func() bool { return theirs.everything() > before })
	torn := errors.New("torn")
	if err := one.change(t.Context(), func(ctx context.Context, c *change) error {
		return errors.Join(c.one(ctx, noVariant, removeVariant, a.Hash, "public"), torn)
	}); !errors.Is(err, torn) {
		t.Fatal(err)
	}
	if _, err := one.AddImage(t.Context(), store.Image{Account: a.Hash, ID: "y"}, false); err != nil {
		t.Fatal(err)
	}
	redistest.Until(t, "the next change is heard", func() bool { return theirs.has("image:" + a.Hash + "/y") })
	if theirs.has("variant:" + a.Hash + "/public") {
		t.Error("a change that was given up was told")
	}
}

// Who hears of a change may have to write it down. However many come, the database is
// still asked often enough to be believed.
func hearsSlowly(t *testing.T, server *postgrestest.Server) {
	url := server.Database(t, "slow")
	db, err := OpenPostgres(t.Context(), Postgres{URL: url, Connections: 2, Trust: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a := account(t, db)
	const many = 1000
	server.Do(t, "slow", fmt.Sprintf("INSERT INTO images (account, id, uploaded, version) SELECT '%s', n, 0, n FROM generate_series(1, %d) AS n", a.Hash, many))
	var told atomic.Int64
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		db.Listen(ctx, func(tags ...string) {
			if len(tags) > 0 {
				<-time.After(20 * time.Millisecond) // as a disk does
			}
			told.Add(int64(len(tags)))
		})
	}()
	t.Cleanup(func() { end(); <-done })
	redistest.Until(t, "the database is heard", db.Vouched)
	server.Do(t, "slow", "UPDATE images SET require_signed = 1")
	redistest.Until(t, "all changes are heard", func() bool {
		if !db.Vouched() {
			t.Fatal("the database is not believed")
		}
		return told.Load() == many
	})
}

// A change whose node is cut off in its midst is undone, and holds nothing.
func letsGo(t *testing.T, server *postgrestest.Server) {
	url := server.Database(t, "held")
	one, other := openPostgres(t, url), openPostgres(t, url)
	a := account(t, one)
	ctx, end := context.WithCancel(t.Context())
	img := store.Image{Account: a.Hash, ID: "a", Blob: store.BlobRef(strings.Repeat("0", 64))}
	if err := one.change(ctx, func(ctx context.Context, c *change) error {
		defer end()
		return c.name(ctx, &img)
	}); err == nil {
		t.Error("it was named")
	}
	if gone, err := other.AddTombstone(t.Context(), img.Blob, time.Now()); !gone || err != nil {
		t.Errorf("the bytes: %v, %v", gone, err)
	}
}
