;; Uses a function that there is not.
(module
  (import "http_handler" "fetch" (func (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "handle_request") (result i64) (i64.const 1)))
