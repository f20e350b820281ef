;; Asks for the values of a header whose name is all of its memory, again and again.
(module
  (import "http_handler" "get_header_values" (func $values (param i32 i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 512)
  (func (export "_initialize") (memory.fill (i32.const 0) (i32.const 97) (i32.const 33554432)))
  (func (export "handle_request") (result i64)
    (loop $ever (drop (call $values (i32.const 0) (i32.const 0) (i32.const 33554432) (i32.const 0) (i32.const 0))) (br $ever))
    (i64.const 1)))
