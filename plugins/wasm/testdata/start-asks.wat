;; Asks for a request while there is none.
(module
  (import "http_handler" "get_uri" (func $get_uri (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_initialize") (drop (call $get_uri (i32.const 0) (i32.const 10))))
  (func (export "handle_request") (result i64) (i64.const 1)))
