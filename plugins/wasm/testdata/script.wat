;; A guest that does what its configuration says, for tables of tests. The configuration
;; is a list of steps, each: a byte, and two strings with two bytes of length before them.
;; What stands behind the byte '|' is for handle_response.
;;
;;   u set_uri a        m set_method a       s set_header_value(0,a,b)  a add_header_value(0,a,b)
;;   r remove_header(0,a)  S, A, R the same of kind 1     c set_status_code(length of a)
;;   b write_body a     t set_target(a,b), its result as a digit in the header x-code
;;   v vary a           g tag a, likewise    l log(info,a)      . stop with next=0
;;   h values of the header a into the body   n names of headers   i get_uri
;;   T get_target(a)    q get_request(a)     p get_source_addr      M get_method
;;   w now_ms as eight bytes and d eight random ones into the body
;;   x get_status_code into the header x-status, H values of the answer's header a into x-saw
;;   ! unreachable      o a pointer outside  L loop without an end  X recursion
(module
  (import "http_handler" "get_config" (func $get_config (param i32 i32) (result i32)))
  (import "http_handler" "get_uri" (func $get_uri (param i32 i32) (result i32)))
  (import "http_handler" "set_uri" (func $set_uri (param i32 i32)))
  (import "http_handler" "get_method" (func $get_method (param i32 i32) (result i32)))
  (import "http_handler" "set_method" (func $set_method (param i32 i32)))
  (import "http_handler" "get_header_names" (func $names (param i32 i32 i32) (result i64)))
  (import "http_handler" "get_header_values" (func $values (param i32 i32 i32 i32 i32) (result i64)))
  (import "http_handler" "set_header_value" (func $set (param i32 i32 i32 i32 i32)))
  (import "http_handler" "add_header_value" (func $add (param i32 i32 i32 i32 i32)))
  (import "http_handler" "remove_header" (func $remove (param i32 i32 i32)))
  (import "http_handler" "set_status_code" (func $set_status (param i32)))
  (import "http_handler" "get_status_code" (func $get_status (result i32)))
  (import "http_handler" "write_body" (func $write (param i32 i32 i32)))
  (import "http_handler" "log" (func $log (param i32 i32 i32)))
  (import "http_handler" "get_source_addr" (func $source (param i32 i32) (result i32)))
  (import "image_rule" "set_target" (func $set_target (param i32 i32 i32 i32) (result i32)))
  (import "image_rule" "get_target" (func $get_target (param i32 i32 i32 i32) (result i32)))
  (import "image_rule" "get_request" (func $get_request (param i32 i32 i32 i32) (result i32)))
  (import "image_rule" "vary" (func $vary (param i32 i32)))
  (import "image_rule" "tag" (func $tag (param i32 i32) (result i32)))
  (import "image_rule" "now_ms" (func $now (result i64)))
  (import "image_rule" "random" (func $random (param i32 i32)))
  (memory (export "memory") 8 64)
  (data (i32.const 0) "x-code")
  (data (i32.const 8) "x-status")
  (data (i32.const 16) "x-saw")
  (global $size (mut i32) (i32.const 0))
  (global $at (mut i32) (i32.const 0))
  (global $a (mut i32) (i32.const 0)) (global $an (mut i32) (i32.const 0))
  (global $b (mut i32) (i32.const 0)) (global $bn (mut i32) (i32.const 0))

  ;; next reads a step and returns its byte; 0 at the end.
  (func $next (result i32) (local $op i32)
    (if (i32.ge_u (global.get $at) (global.get $size)) (then (return (i32.const 0))))
    (local.set $op (i32.load8_u (global.get $at)))
    (global.set $an (i32.load16_u offset=1 (global.get $at)))
    (global.set $a (i32.add (global.get $at) (i32.const 3)))
    (global.set $bn (i32.load16_u (i32.add (global.get $a) (global.get $an))))
    (global.set $b (i32.add (i32.add (global.get $a) (global.get $an)) (i32.const 2)))
    (global.set $at (i32.add (global.get $b) (global.get $bn)))
    (local.get $op))

  (func $code (param $n i32)
    (i32.store8 (i32.const 64) (i32.add (i32.const 48) (local.get $n)))
    (call $add (i32.const 1) (i32.const 0) (i32.const 6) (i32.const 64) (i32.const 1)))

  ;; body writes n bytes from 256 on; -1 writes nothing.
  (func $body (param $n i32)
    (if (i32.ge_s (local.get $n) (i32.const 0))
      (then (call $write (i32.const 1) (i32.const 256) (local.get $n)))))

  (func $recurse (param i32) (result i32)
    (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (call $recurse (local.get 0))))

  ;; run does steps until the byte stop, and returns whether the chain goes on.
  (func $run (param $stop i32) (result i64) (local $op i32)
    (loop $more
      (local.set $op (call $next))
      (if (i32.or (i32.eqz (local.get $op)) (i32.eq (local.get $op) (local.get $stop))) (then (return (i64.const 0x700000001))))
      (if (i32.eq (local.get $op) (i32.const 46)) (then (return (i64.const 0))))
      (if (i32.eq (local.get $op) (i32.const 117)) (then (call $set_uri (global.get $a) (global.get $an))))
      (if (i32.eq (local.get $op) (i32.const 109)) (then (call $set_method (global.get $a) (global.get $an))))
      (if (i32.eq (local.get $op) (i32.const 115)) (then (call $set (i32.const 0) (global.get $a) (global.get $an) (global.get $b) (global.get $bn))))
      (if (i32.eq (local.get $op) (i32.const 97)) (then (call $add (i32.const 0) (global.get $a) (global.get $an) (global.get $b) (global.get $bn))))
      (if (i32.eq (local.get $op) (i32.const 114)) (then (call $remove (i32.const 0) (global.get $a) (global.get $an))))
      (if (i32.eq (local.get $op) (i32.const 83)) (then (call $set (i32.const 1) (global.get $a) (global.get $an) (global.get $b) (global.get $bn))))
      (if (i32.eq (local.get $op) (i32.const 65)) (then (call $add (i32.const 1) (global.get $a) (global.get $an) (global.get $b) (global.get $bn))))
      (if (i32.eq (local.get $op) (i32.const 82)) (then (call $remove (i32.const 1) (global.get $a) (global.get $an))))
      (if (i32.eq (local.get $op) (i32.const 99)) (then (call $set_status (global.get $an))))
      (if (i32.eq (local.get $op) (i32.const 98)) (then (call $write (i32.const 1) (global.get $a) (global.get $an))))
      (if (i32.eq (local.get $op) (i32.const 116)) (then (call $code (call $set_target (global.get $a) (global.get $an) (global.get $b) (global.get $bn)))))
      (if (i32.eq (local.get $op) (i32.const 118)) (then (call $vary (global.get $a) (global.get $an))))
      (if (i32.eq (local.get $op) (i32.const 103)) (then (call $code (call $tag (global.get $a) (global.get $an)))))
      (if (i32.eq (local.get $op) (i32.const 108)) (then (call $log (i32.const 0) (global.get $a) (global.get $an))))
      (if (i32.eq (local.get $op) (i32.const 104)) (then (call $body (i32.wrap_i64 (call $values (i32.const 0) (global.get $a) (global.get $an) (i32.const 256) (i32.const 4096))))))
      (if (i32.eq (local.get $op) (i32.const 110)) (then (call $body (i32.wrap_i64 (call $names (i32.const 0) (i32.const 256) (i32.const 4096))))))
      (if (i32.eq (local.get $op) (i32.const 105)) (then (call $body (call $get_uri (i32.const 256) (i32.const 4096)))))
      (if (i32.eq (local.get $op) (i32.const 77)) (then (call $body (call $get_method (i32.const 256) (i32.const 4096)))))
      (if (i32.eq (local.get $op) (i32.const 84)) (then (call $body (call $get_target (global.get $a) (global.get $an) (i32.const 256) (i32.const 4096)))))
      (if (i32.eq (local.get $op) (i32.const 113)) (then (call $body (call $get_request (global.get $a) (global.get $an) (i32.const 256) (i32.const 4096)))))
      (if (i32.eq (local.get $op) (i32.const 112)) (then (call $body (call $source (i32.const 256) (i32.const 4096)))))
      (if (i32.eq (local.get $op) (i32.const 119)) (then (i64.store (i32.const 256) (call $now)) (call $body (i32.const 8))))
      (if (i32.eq (local.get $op) (i32.const 100)) (then (call $random (i32.const 256) (i32.const 8)) (call $body (i32.const 8))))
      (if (i32.eq (local.get $op) (i32.const 120)) (then
        (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.div_u (call $get_status) (i32.const 100))))
        (call $set (i32.const 1) (i32.const 8) (i32.const 8) (i32.const 64) (i32.const 1))))
      (if (i32.eq (local.get $op) (i32.const 72)) (then
        (local.set $op (i32.wrap_i64 (call $values (i32.const 1) (global.get $a) (global.get $an) (i32.const 256) (i32.const 4096))))
        (call $set (i32.const 1) (i32.const 16) (i32.const 5) (i32.const 256) (select (i32.sub (local.get $op) (i32.const 1)) (i32.const 0) (local.get $op)))))
      (if (i32.eq (local.get $op) (i32.const 33)) (then unreachable))
      (if (i32.eq (local.get $op) (i32.const 111)) (then (call $set_uri (i32.const -8) (i32.const 16))))
      (if (i32.eq (local.get $op) (i32.const 76)) (then (loop $ever (br $ever))))
      (if (i32.eq (local.get $op) (i32.const 88)) (then (drop (call $recurse (i32.const 0)))))
      (br $more))
    unreachable)

  (func (export "handle_request") (result i64)
    (global.set $size (i32.add (i32.const 65536) (call $get_config (i32.const 65536) (i32.const 196608))))
    (global.set $at (i32.const 65536))
    (call $run (i32.const 124)))

  (func (export "handle_response") (param $ctx i32) (param $failed i32) (local $op i32)
    (global.set $at (i32.const 65536))
    (if (i32.ne (local.get $ctx) (i32.const 7)) (then unreachable))
    (loop $look
      (local.set $op (call $next))
      (br_if $look (i32.and (i32.ne (local.get $op) (i32.const 0)) (i32.ne (local.get $op) (i32.const 124)))))
    (drop (call $run (i32.const 124)))))
