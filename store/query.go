package store

import "time"

// Query says which images of an account a list has, newest first.
type Query struct {
	Account   string
	Creator   *string     // nil: of whomever; "": of nobody
	Where     []Condition // all hold
	Search    string      // a part of the id, the filename or the creator, whatever the case of its ASCII letters; "": of any
	Ascending bool        // oldest first
	After     *Position   // nil: from the beginning
	Offset    int         // how many to pass over; it costs what it passes
	Limit     int         // at least 1
}

// Position is a place in a list: behind this image, whether it is still there or
// not. Images with the same time are in the order of their ids.
type Position struct {
	Uploaded time.Time // milliseconds
	ID       string
}

// PositionOf is the place behind img.
func PositionOf(img *Image) Position { return Position{img.Uploaded, img.ID} }

// Condition is one filter over the metadata.
type Condition struct {
	Field    []string // the way to a value from the outermost object inwards; names of letters, digits and '_'
	Operator Operator
	Values   []Value // one, or several for Equal: any of them
}

// Operator compares what the metadata has with a condition's value.
type Operator uint8

// The operators. All but Equal compare numbers and hold for nothing else.
const (
	Equal Operator = iota
	Greater
	GreaterEqual
	Less
	LessEqual
)

// Value is what is compared with. Exactly the fields that may match are set.
type Value struct {
	Text    *string // a string of this text
	Literal *string // a number or boolean that is spelt so in the metadata (R-filter)
	Number  *string // a number of this value, as JSON spells it
	Bool    *bool
}
