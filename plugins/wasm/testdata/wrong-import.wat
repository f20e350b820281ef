;; Uses a function with a type that it has not.
(module
  (import "http_handler" "get_uri" (func (param i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "handle_request") (result i64) (i64.const 1)))
