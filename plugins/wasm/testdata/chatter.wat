;; Logs without an end.
(module
  (import "http_handler" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "again\n")
  (func (export "handle_request") (result i64)
    (loop $ever (call $log (i32.const 1) (i32.const 0) (i32.const 6)) (br $ever))
    (i64.const 1)))
