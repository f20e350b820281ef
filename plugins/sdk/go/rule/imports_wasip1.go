package rule

//go:wasmimport http_handler log_enabled
func logEnabled(level int32) uint32

//go:wasmimport http_handler log
//go:noescape
func log(level int32, text string)

//go:wasmimport http_handler get_config
//go:noescape
func getConfig(buf *byte, limit uint32) uint32

//go:wasmimport http_handler get_method
//go:noescape
func getMethod(buf *byte, limit uint32) uint32

//go:wasmimport http_handler set_method
//go:noescape
func setMethod(method string)

//go:wasmimport http_handler get_uri
//go:noescape
func getURI(buf *byte, limit uint32) uint32

//go:wasmimport http_handler set_uri
//go:noescape
func setURI(uri string)

//go:wasmimport http_handler get_protocol_version
//go:noescape
func getProtocol(buf *byte, limit uint32) uint32

//go:wasmimport http_handler get_source_addr
//go:noescape
func getSourceAddr(buf *byte, limit uint32) uint32

//go:wasmimport http_handler get_header_names
//go:noescape
func getHeaderNames(kind uint32, buf *byte, limit uint32) uint64

//go:wasmimport http_handler get_header_values
//go:noescape
func getHeaderValues(kind uint32, name string, buf *byte, limit uint32) uint64

//go:wasmimport http_handler set_header_value
//go:noescape
func setHeader(kind uint32, name, value string)

//go:wasmimport http_handler add_header_value
//go:noescape
func addHeader(kind uint32, name, value string)

//go:wasmimport http_handler remove_header
//go:noescape
func removeHeader(kind uint32, name string)

//go:wasmimport http_handler write_body
//go:noescape
func writeBody(kind uint32, text string)

//go:wasmimport http_handler get_status_code
func getStatus() uint32

//go:wasmimport http_handler set_status_code
func setStatus(code uint32)

//go:wasmimport image_rule get_target
//go:noescape
func getTarget(field string, buf *byte, limit uint32) int32

//go:wasmimport image_rule set_target
//go:noescape
func setTarget(field, value string) int32

//go:wasmimport image_rule get_request
//go:noescape
func getRequest(field string, buf *byte, limit uint32) int32

//go:wasmimport image_rule vary
//go:noescape
func vary(name string)

//go:wasmimport image_rule tag
//go:noescape
func addTag(tag string) int32

//go:wasmimport image_rule now_ms
func now() int64

//go:wasmimport image_rule random
//go:noescape
func random(buf *byte, n uint32)
