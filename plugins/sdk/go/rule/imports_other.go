//go:build !wasip1

package rule

// Outside the proxy there is no request. The package compiles everywhere, so
// that editors, vet and tests of a rule's own functions work.
const elsewhere = "rule: runs in the proxy only; build with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared"

// absent panics, but not in a way that linters take for the end of what follows a call.
func absent() {
	if scratch.used >= 0 {
		panic(elsewhere)
	}
}

func logEnabled(int32) uint32 { absent(); return 0 }
func log(int32, string)       { absent() }

// There is none: package variables are set from it, in tests too.
func getConfig(*byte, uint32) uint32 { return 0 }

func getMethod(*byte, uint32) uint32                       { absent(); return 0 }
func setMethod(string)                                     { absent() }
func getURI(*byte, uint32) uint32                          { absent(); return 0 }
func setURI(string)                                        { absent() }
func getProtocol(*byte, uint32) uint32                     { absent(); return 0 }
func getSourceAddr(*byte, uint32) uint32                   { absent(); return 0 }
func getHeaderNames(uint32, *byte, uint32) uint64          { absent(); return 0 }
func getHeaderValues(uint32, string, *byte, uint32) uint64 { absent(); return 0 }
func setHeader(uint32, string, string)                     { absent() }
func addHeader(uint32, string, string)                     { absent() }
func removeHeader(uint32, string)                          { absent() }
func writeBody(uint32, string)                             { absent() }
func getStatus() uint32                                    { absent(); return 0 }
func setStatus(uint32)                                     { absent() }
func getTarget(string, *byte, uint32) int32                { absent(); return 0 }
func setTarget(string, string) int32                       { absent(); return 0 }
func getRequest(string, *byte, uint32) int32               { absent(); return 0 }
func vary(string)                                          { absent() }
func addTag(string) int32                                  { absent(); return 0 }
func now() int64                                           { absent(); return 0 }
func random(*byte, uint32)                                 { absent() }
