package sqldb

import (
	"context"
	"database/sql"

	"github.com/fovea-images/fovea/store"
)

// dialect is what differs between the databases. Statements are the same, but for
// what spell makes of them.
type dialect interface {
	// spell writes a statement, whose values are ?, as the database has it.
	spell(text string) string
	// options are those of the transaction of a change.
	options() *sql.TxOptions
	// hold waits until no other change holds name, or while shared does not hold it
	// alone, until the transaction ends.
	hold(ctx context.Context, tx *sql.Tx, name string, shared bool) error
	// number is the number of the newest migration that the database has seen.
	number(ctx context.Context, tx *sql.Tx) (int, error)
	setNumber(ctx context.Context, tx *sql.Tx, n int) error

	// taken reports the breach of a unique key, again whether the change may be tried
	// again, and absent that the database cannot have what was asked for.
	taken(err error) bool
	again(err error) bool
	absent(err error) bool
	// failed says what the database's err is for who asked.
	failed(err error) error

	// index says that a list is to be read by this index.
	index(name string) string
	// search is a condition with one value.
	search() string
	// condition adds one value of a filter, as what is one of several.
	condition(s *statement, c *store.Condition, v *store.Value)
}
