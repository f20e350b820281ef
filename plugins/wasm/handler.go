package wasm

import (
	"errors"
	"log/slog"

	"github.com/tetratelabs/wazero/api"

	"github.com/fovea-images/fovea/plugins"
)

// grantable are the features that a guest may have: to read the request's body.
const grantable = 1

// handlerFunctions is the module http_handler.
func handlerFunctions() []hostFunction {
	in := func(types ...api.ValueType) []api.ValueType { return types }
	number, long := in(i32), in(i64)
	return []hostFunction{
		{"enable_features", in(i32), number, func(_ *call, s []uint64) { s[0] = uint64(uint32(s[0]) & grantable) }},
		{"get_config", in(i32, i32), number, func(c *call, s []uint64) {
			c.put(s, s[0], s[1], []byte(c.version.rule.options.Config))
		}},
		{"log_enabled", in(i32), number, func(c *call, s []uint64) {
			level, on := c.level(s[0])
			s[0] = 0
			if on && c.version.rule.options.Journal.Enabled(level) {
				s[0] = 1
			}
		}},
		{"log", in(i32, i32, i32), nil, func(c *call, s []uint64) {
			level, on := c.level(s[0])
			if text := c.bytes(s[1], s[2]); on {
				c.log(level, text)
			}
		}},
		{"get_method", in(i32, i32), number, func(c *call, s []uint64) { c.put(s, s[0], s[1], c.x().Method()) }},
		{"set_method", in(i32, i32), nil, func(c *call, s []uint64) { c.must(c.x().SetMethod(c.bytes(s[0], s[1]))) }},
		{"get_uri", in(i32, i32), number, func(c *call, s []uint64) { c.put(s, s[0], s[1], c.x().URI()) }},
		{"set_uri", in(i32, i32), nil, func(c *call, s []uint64) { c.must(c.x().SetURI(c.bytes(s[0], s[1]))) }},
		{"get_protocol_version", in(i32, i32), number, func(c *call, s []uint64) { c.putString(s, s[0], s[1], "HTTP/1.1") }},
		{"get_header_names", in(i32, i32, i32), long, func(c *call, s []uint64) { s[0] = c.names(s[0], s[1], s[2]) }},
		{"get_header_values", in(i32, i32, i32, i32, i32), long, func(c *call, s []uint64) {
			s[0] = c.values(s[0], c.bytes(s[1], s[2]), s[3], s[4])
		}},
		{"set_header_value", in(i32, i32, i32, i32, i32), nil, func(c *call, s []uint64) {
			c.must(c.x().Set(c.writable(s[0]), c.bytes(s[1], s[2]), c.bytes(s[3], s[4])))
		}},
		{"add_header_value", in(i32, i32, i32, i32, i32), nil, func(c *call, s []uint64) {
			c.must(c.x().Add(c.writable(s[0]), c.bytes(s[1], s[2]), c.bytes(s[3], s[4])))
		}},
		{"remove_header", in(i32, i32, i32), nil, func(c *call, s []uint64) {
			c.must(c.x().Remove(c.writable(s[0]), c.bytes(s[1], s[2])))
		}},
		{"read_body", in(i32, i32, i32), long, func(c *call, s []uint64) { s[0] = c.readBody(s[0], s[1], s[2]) }},
		{"write_body", in(i32, i32, i32), nil, func(c *call, s []uint64) {
			if uint32(s[0]) != 1 {
				c.refuse("expected kind 1, the body of the answer, received %d", uint32(s[0]))
			}
			c.must(c.x().Write(c.bytes(s[1], s[2])))
		}},
		{"get_status_code", nil, number, func(c *call, s []uint64) {
			status, err := c.x().Status()
			c.must(err)
			s[0] = uint64(status)
		}},
		{"set_status_code", in(i32), nil, func(c *call, s []uint64) { c.must(c.x().SetStatus(int(int32(s[0])))) }},
		{"get_source_addr", in(i32, i32), number, func(c *call, s []uint64) {
			var room [64]byte
			c.put(s, s[0], s[1], c.x().AppendSource(room[:0]))
		}},
	}
}

// x is the exchange of the running call.
func (c *call) x() *plugins.Exchange {
	if c.exchange == nil {
		c.refuse("there is no request while the module starts")
	}
	return c.exchange
}

// must ends the guest's call if err is not nil.
func (c *call) must(err error) {
	if err != nil {
		panic(&refusal{c.function, plugins.Refused, err})
	}
}

// short is how many bytes of the guest's a call of it may have us read for nothing.
const short = 4 << 10

// bytes is a stretch of the guest's memory, for reading at once. What is done with a long
// one takes as long as it is, and is paid for.
func (c *call) bytes(at, length uint64) []byte {
	b := c.stretch(at, length)
	if len(b) > short {
		c.charge(uint64(len(b)))
	}
	return b
}

// stretch is one of the guest's memory. The upper halves of its place and length may hold
// anything.
func (c *call) stretch(at, length uint64) []byte {
	b, ok := c.module.Memory().Read(uint32(at), uint32(length))
	if !ok {
		c.refuse("the pointer %d and the length %d are outside of the memory", uint32(at), uint32(length))
	}
	return b
}

// put writes b to the guest's buffer if it fits, and returns its length in s.
func (c *call) put(s []uint64, at, limit uint64, b []byte) {
	room := c.room(at, limit)
	if len(b) <= len(room) {
		copy(room, b)
	}
	s[0] = uint64(uint32(len(b)))
}

func (c *call) putString(s []uint64, at, limit uint64, text string) {
	room := c.room(at, limit)
	if len(text) <= len(room) {
		copy(room, text)
	}
	s[0] = uint64(uint32(len(text)))
}

// room is a buffer of the guest's, for writing.
func (c *call) room(at, limit uint64) []byte {
	if uint32(limit) == 0 { // it asks for the length alone
		return nil
	}
	return c.stretch(at, limit)
}

// level reads a level; on is false for none.
func (c *call) level(n uint64) (level slog.Level, on bool) {
	switch int32(n) {
	case -1:
		return slog.LevelDebug, true
	case 0:
		return slog.LevelInfo, true
	case 1:
		return slog.LevelWarn, true
	case 2:
		return slog.LevelError, true
	case 3:
		return 0, false
	}
	c.refuse("expected a level from -1 to 3, received %d", int32(n))
	return 0, false
}

// readable is whose headers a kind means; there are no trailers.
func (c *call) readable(kind uint64) (k plugins.Kind, trailers bool) {
	switch uint32(kind) {
	case 0:
		return plugins.RequestHeader, false
	case 1:
		return plugins.AnswerHeader, false
	case 2, 3:
		return 0, true
	}
	c.refuse("expected a kind of headers from 0 to 3, received %d", uint32(kind))
	return 0, true
}

func (c *call) writable(kind uint64) plugins.Kind {
	k, trailers := c.readable(kind)
	if trailers {
		c.refuse("trailers cannot be written")
	}
	return k
}

// names writes the names of headers, each ended by NUL.
func (c *call) names(kind, at, limit uint64) uint64 {
	k, trailers := c.readable(kind)
	x := c.x()
	room := c.room(at, limit)
	if trailers {
		return 0
	}
	count, length := 0, 0
	distinct(x.Fields(k), func(name []byte) {
		if x.Shows(k, name) {
			count, length = count+1, length+len(name)+1
		}
	})
	if length <= len(room) {
		at := 0
		distinct(x.Fields(k), func(name []byte) {
			if x.Shows(k, name) {
				at += copy(room[at:], name)
				room[at] = 0
				at++
			}
		})
	}
	return uint64(count)<<32 | uint64(uint32(length))
}

// few is how many headers are compared with each other; a visitor may send thousands.
const few = 64

// distinct calls tell with each name once.
func distinct(fields []plugins.Field, tell func(name []byte)) {
	var seen map[string]bool
	if len(fields) > few {
		seen = make(map[string]bool, len(fields))
	}
	for i, f := range fields {
		switch {
		case seen == nil && !first(fields[:i], f.Name), seen[string(f.Name)]:
			continue
		case seen != nil:
			seen[string(f.Name)] = true
		}
		tell(f.Name)
	}
}

// first reports whether no field before has that name.
func first(before []plugins.Field, name []byte) bool {
	for _, f := range before {
		if string(f.Name) == string(name) {
			return false
		}
	}
	return true
}

// values writes the values of a header, each ended by NUL.
func (c *call) values(kind uint64, name []byte, at, limit uint64) uint64 {
	k, trailers := c.readable(kind)
	if !plugins.ValidHeaderName(name) {
		c.refuse("%w", errors.New("expected a header name"))
	}
	x := c.x()
	room := c.room(at, limit)
	if trailers {
		return 0
	}
	count, length := 0, 0
	fields := x.Fields(k)
	for i := range fields {
		f := &fields[i]
		if !equalFold(f.Name, name) || !x.Shows(k, f.Name) {
			continue
		}
		count, length = count+1, length+len(f.Value)+1
	}
	if count > 0 && length <= len(room) {
		// name may be in the buffer: it is looked at before anything is written only
		// where the two do not overlap, so the writing goes by what was found.
		c.writeValues(fields, k, name, room)
	}
	return uint64(count)<<32 | uint64(uint32(length))
}

// writeValues fills room. name is copied first, because a guest may read into where it
// stands.
func (c *call) writeValues(fields []plugins.Field, k plugins.Kind, name, room []byte) {
	var kept [64]byte
	wanted := append(kept[:0], name...)
	at := 0
	for i := range fields {
		f := &fields[i]
		if !equalFold(f.Name, wanted) || !c.exchange.Shows(k, f.Name) {
			continue
		}
		at += copy(room[at:], f.Value)
		room[at] = 0
		at++
	}
}

// equalFold compares a name in lower case with one in any.
func equalFold(lower, name []byte) bool {
	if len(lower) != len(name) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// readBody reads the request's body, which for images is empty.
func (c *call) readBody(kind, at, limit uint64) uint64 {
	const eof = 1 << 32
	switch {
	case uint32(kind) != 0:
		c.refuse("expected kind 0, the body of the request, received %d", uint32(kind))
	case uint32(limit) == 0:
		c.refuse("expected room to read into, received none")
	}
	x := c.x()
	n := copy(c.stretch(at, limit), x.Body)
	x.Body = x.Body[n:]
	if len(x.Body) == 0 {
		return eof | uint64(n)
	}
	return uint64(n)
}
