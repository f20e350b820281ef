;; Ends itself during a request.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "handle_request") (result i64) (call $exit (i32.const 0)) (i64.const 1)))
