;; Grows by nothing, which leaves compiled code all the same, again and again.
(module
  (table $t 1 funcref)
  (memory (export "memory") 1)
  (func (export "handle_request") (result i64)
    (loop $again
      (drop (memory.grow (i32.const 0)))
      (drop (table.grow $t (ref.null func) (i32.const 0)))
      (br $again))
    (i64.const 1)))
