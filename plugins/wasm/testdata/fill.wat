;; Fills all of its memory, again and again: single instructions that take long.
(module
  (memory (export "memory") 160)
  (func (export "handle_request") (result i64)
    (loop $ever
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 10485760))
      (br $ever))
    (i64.const 1)))
