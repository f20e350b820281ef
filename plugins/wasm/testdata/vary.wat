;; Names the same long header for Vary, again and again.
(module
  (import "image_rule" "vary" (func $vary (param i32 i32)))
  (memory (export "memory") 4)
  (func (export "handle_request") (result i64)
    (memory.fill (i32.const 0) (i32.const 97) (i32.const 250000))
    (loop $ever (call $vary (i32.const 0) (i32.const 250000)) (br $ever))
    (i64.const 1)))
