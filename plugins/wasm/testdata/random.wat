;; Asks for all its memory in random bytes, again and again.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 512)
  (func (export "handle_request") (result i64)
    (loop $again (drop (call $random (i32.const 0) (i32.const 33554432))) (br $again))
    (i64.const 1)))
