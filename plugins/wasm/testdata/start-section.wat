;; Reads its configuration and logs in its start section, as AssemblyScript does at the top level.
(module
  (import "http_handler" "get_config" (func $config (param i32 i32) (result i32)))
  (import "http_handler" "log" (func $log (param i32 i32 i32)))
  (import "image_rule" "random" (func $random (param i32 i32)))
  (memory (export "memory") 1)
  (func $begin
    (call $log (i32.const 0) (i32.const 0) (call $config (i32.const 0) (i32.const 100)))
    (call $random (i32.const 200) (i32.const 8)))
  (start $begin)
  (func (export "handle_request") (result i64) (i64.const 1)))
