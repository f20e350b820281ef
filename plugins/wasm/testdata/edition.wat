;; Rewrites every request to a text that tests change.
(module
  (import "http_handler" "set_uri" (func $set_uri (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "/0000")
  (func (export "handle_request") (result i64)
    (call $set_uri (i32.const 0) (i32.const 5))
    (i64.const 1)))
