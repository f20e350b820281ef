;; Gives a field of the target all of its memory as a value, again and again.
(module
  (import "image_rule" "set_target" (func $set (param i32 i32 i32 i32) (result i32)))
  (import "http_handler" "set_uri" (func $uri (param i32 i32)))
  (memory (export "memory") 512)
  (data (i32.const 0) "image/cdn-cgi/imagedelivery/Vi7wi5KSItxGFsWRG2Us6Q/a/public")
  (func (export "_initialize") (memory.fill (i32.const 100) (i32.const 37) (i32.const 33554332)))
  (func (export "handle_request") (result i64)
    (call $uri (i32.const 5) (i32.const 54))
    (loop $ever (drop (call $set (i32.const 0) (i32.const 5) (i32.const 100) (i32.const 33554332))) (br $ever))
    (i64.const 1)))
