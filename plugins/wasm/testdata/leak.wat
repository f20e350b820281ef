;; Takes 1 MiB more with every request, and keeps it.
(module
  (memory (export "memory") 1)
  (func (export "handle_request") (result i64)
    (drop (memory.grow (i32.const 16)))
    (i64.const 1)))
