;; Exports handle_request with a type that it has not.
(module
  (memory (export "memory") 1)
  (func (export "handle_request") (param i32) (result i64) (i64.const 1)))
