;; Fails on one request of eight, each time in another way.
(module
  (import "http_handler" "set_uri" (func $set_uri (param i32 i32)))
  (import "image_rule" "random" (func $random (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "handle_request") (result i64) (local $dice i32)
    (call $random (i32.const 0) (i32.const 1))
    (local.set $dice (i32.and (i32.load8_u (i32.const 0)) (i32.const 31)))
    (if (i32.eq (local.get $dice) (i32.const 0)) (then unreachable))
    (if (i32.eq (local.get $dice) (i32.const 1)) (then (call $set_uri (i32.const -1) (i32.const 9))))
    (if (i32.eq (local.get $dice) (i32.const 2)) (then (call $random (i32.const 0) (i32.const 300))))
    (if (i32.eq (local.get $dice) (i32.const 3)) (then (loop $ever (br $ever))))
    (i64.const 1)))
