;; Calls a function of many straight instructions from a tight loop.
(module
  (memory (export "memory") 1)
  (func $work (param f64) (result f64)
    (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt
    (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (local.get 0))))))))))))))))))))))
  (func (export "handle_request") (result i64)
    (loop $ever (drop (call $work (f64.const 2))) (br $ever))
    (i64.const 1)))
