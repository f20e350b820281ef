;; Does not come to an end of starting, in the module's own start function.
(module
  (memory (export "memory") 1)
  (func $begin (loop $ever (br $ever)))
  (start $begin)
  (func (export "handle_request") (result i64) (i64.const 1)))
