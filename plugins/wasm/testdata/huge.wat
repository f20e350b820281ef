;; Wants two gibibytes at once.
(module
  (memory (export "memory") 32768)
  (func (export "handle_request") (result i64) (i64.const 1)))
