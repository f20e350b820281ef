package wasm

import (
	"io"

	"github.com/tetratelabs/wazero/api"
)

// maxRandom is how many random bytes a guest gets at once.
const maxRandom = 256

// targetFunctions is the module image_rule.
func targetFunctions() []hostFunction {
	in := func(types ...api.ValueType) []api.ValueType { return types }
	number := in(i32)
	absent := int32(-1)
	return []hostFunction{
		{"get_target", in(i32, i32, i32, i32), number, func(c *call, s []uint64) {
			x, name := c.x(), string(c.bytes(s[0], s[1]))
			c.room(s[2], s[3])
			value, ok := x.Target(name)
			if !ok {
				s[0] = uint64(uint32(absent))
				return
			}
			c.putString(s, s[2], s[3], value)
		}},
		{"set_target", in(i32, i32, i32, i32), number, func(c *call, s []uint64) {
			code, err := c.x().SetTarget(string(c.bytes(s[0], s[1])), string(c.bytes(s[2], s[3])))
			c.must(err)
			s[0] = uint64(code)
		}},
		{"get_request", in(i32, i32, i32, i32), number, func(c *call, s []uint64) {
			x, name := c.x(), string(c.bytes(s[0], s[1]))
			c.room(s[2], s[3])
			value, ok := x.About(name)
			if !ok {
				s[0] = uint64(uint32(absent))
				return
			}
			c.putString(s, s[2], s[3], value)
		}},
		{"vary", in(i32, i32), nil, func(c *call, s []uint64) { c.must(c.x().Vary(c.bytes(s[0], s[1]))) }},
		{"tag", in(i32, i32), number, func(c *call, s []uint64) {
			code, err := c.x().Tag(c.bytes(s[0], s[1]))
			c.must(err)
			s[0] = uint64(code)
		}},
		{"now_ms", nil, in(i64), func(c *call, s []uint64) { s[0] = uint64(c.now().UnixMilli()) }},
		{"random", in(i32, i32), nil, func(c *call, s []uint64) {
			if uint32(s[1]) > maxRandom {
				c.refuse("expected at most %d bytes, received %d", maxRandom, uint32(s[1]))
			}
			_, err := io.ReadFull(dice{c.instance}, c.bytes(s[0], s[1]))
			c.must(err)
		}},
	}
}
