package house

// room is one row of the table of rooms: what a package may import of ours, and why.
type room struct {
	imports string // space-separated; "*" = everything
	why     string
}

// rooms has every package of the repository.
var rooms = map[string]room{
	"cmd/proxy":                {"*", "the composition root knows all, and nobody knows it"},
	"cmd/proxy/demo":           {"", "pictures, and nothing that shows them"},
	"cmd/proxy/demo/generate":  {"", "arithmetic"},
	"proxy":                    {"params token negotiate plugins cache origin engine store internal/fault internal/flight internal/trail", "it is the way of a request through the rooms"},
	"negotiate":                {"params", "a pure choice over what a URL says"},
	"params":                   {"internal/fault", "the ground that all others agree on"},
	"cache":                    {"internal/fault", "it knows nothing of images or HTTP"},
	"cache/memory":             {"cache", "a tier"},
	"cache/disk":               {"cache", "a tier, and the ledger of what it keeps"},
	"cache/redis":              {"cache", "a tier, and what the nodes have in common that share it"},
	"cache/redis/redistest":    {"", "a server for tests"},
	"cache/cachetest":          {"cache internal/fault", "what every tier promises"},
	"engine":                   {"params internal/fault internal/flight engine/pixel", "steps over pixels; codecs are handed in"},
	"engine/face":              {"engine/pixel", "a detector over grey pixels"},
	"engine/pixel":             {"", "pixels know of nothing else"},
	"engine/picturetest":       {"", "pictures for tests"},
	"engine/codec":             {"engine engine/codec/native engine/pixel params internal/fault", "the two ends of the engine"},
	"engine/codec/native":      {"", "bytes in, bytes out; it knows only the libraries"},
	"bench":                    {"bench/load bench/rig bench/chart", "it measures the running binary, and no room of it"},
	"bench/sim":                {"", "arithmetic"},
	"bench/chart":              {"", "bars and lines"},
	"bench/load":               {"", "a client"},
	"bench/rig":                {"", "it starts programs and reads what they cost"},
	"bench/floor":              {"", "a server that does nothing"},
	"bench/engine":             {"engine engine/codec engine/pixel engine/picturetest params internal/fault", "it measures the engine from outside, as a server uses it"},
	"token":                    {"", "proofs know of keys and clocks, not of pictures"},
	"plugins":                  {"params internal/fault", "a contract: the proxy on one side, modules on the other"},
	"plugins/rulestest":        {"plugins", "what every kind of rule promises"},
	"plugins/wasm":             {"plugins", "it runs modules, and knows of pictures what the contract says"},
	"store":                    {"params token internal/fault", "nouns and promises; keepers live inside"},
	"store/sqldb":              {"store params token internal/fault", "a keeper of names; params for the types of its columns"},
	"store/sqldb/postgrestest": {"", "a server for tests"},
	"store/fsblob":             {"store internal/fault", "a keeper of bytes"},
	"store/s3blob":             {"store internal/fault", "a keeper of bytes"},
	"store/s3blob/s3test":      {"", "a server for tests"},
	"store/storetest":          {"store params token internal/fault", "what every keeper promises"},
	"api":                      {"store params token internal/fault internal/trail", "it manages a store, and serves no picture"},
	"api/clients":              {"", "a module of its own: its clients are no dependency of ours"},
	"origin":                   {"params internal/fault", "the contract of a source"},
	"origin/cloudflare":        {"origin store params token internal/fault", "an account of Cloudflare's: a source, and a directory of what is there"},
	"origin/origintest":        {"origin params internal/fault", "what every origin promises"},
	"origin/stored":            {"origin store params internal/fault", "sources from the store"},
	"origin/web":               {"origin params internal/fault internal/trail", "sources from the web"},
	"deploy":                   {"", "files for who runs it, and a test that runs them"},
	"deploy/dockerfile":        {"", "a module of its own: the builder is no dependency of ours"},
	"examples/observability":   {"", "metrics by name, and a test that compares them"},
	"examples/cloudflare":      {"", "a configuration, and a test that runs it"},
	"examples/fleet":           {"", "it starts programs, and our binary is one of them"},
	"examples/site":            {"", "a configuration, and a test that runs it"},
	"examples/integrations":    {"", "tools of others, and a test that asks for the URLs they build"},
	"examples/sign":            {"", "what a site does, without us"},
	"plugins/sdk":              {"", "it writes files"},
	"plugins/sdk/sdktest":      {"", "tools for tests"},
	"plugins/sdk/go/rule":      {"", "rules carry it into another world"},
	"examples/rules":           {"", "rules, and a test that runs them"},
	"examples/rules/products":  {"plugins/sdk/go/rule", "a rule"},
	"examples/rules/country":   {"plugins/sdk/go/rule", "a rule"},
	"internal/flight":          {"", "one piece of work for many who ask"},
	"internal/fault":           {"", "every room speaks of failure"},
	"internal/config":          {"", "knobs know nothing of what they turn"},
	"internal/telemetry":       {"internal/trail", "it is told words and numbers, not types of the rooms"},
	"internal/trail":           {"", "phases are words and times"},
	"internal/admin":           {"internal/telemetry internal/fault", "an operator's view, handed in as functions"},
	"dashboard/browser":        {"", "it looks at the running binary, as people do"},
	"dashboard":                {"", "files, and nothing that serves them"},
	"internal/house":           {"", "it reads files, not packages"},

	"internal/telemetry/collectortest": {"", "a collector for tests"},
}

// wall keeps a third-party module in its room, or in one file of it.
type wall struct{ where, why string }

var walls = map[string]wall{
	"github.com/valyala/fasthttp":                  {"proxy/http.go proxy/http_rules.go proxy/http_dress.go api/http.go internal/admin bench/load bench/rig bench/floor", "HTTP stops at the door; the rules' half of it is a file of its own"},
	"github.com/moby/buildkit":                     {"", "how Dockerfiles are read"},
	"github.com/cloudflare/cloudflare-go/v6":       {"", "a client that must work unchanged"},
	"github.com/dgraph-io/ristretto/v2":            {"cache/memory", "one tier's way to forget"},
	"github.com/redis/go-redis/v9":                 {"cache/redis", "the client of a shared tier"},
	"github.com/golang-jwt/jwt/v5":                 {"token", "JSON Web Tokens"},
	"github.com/go-jose/go-jose/v4":                {"token", "keys in JSON"},
	"github.com/alecthomas/kong":                   {"cmd/proxy", "the command line"},
	"github.com/schollz/progressbar/v3":            {"cmd/proxy", "a bar for people"},
	"github.com/goccy/go-yaml":                     {"internal/config", "the one configuration format"},
	"github.com/prometheus/client_golang":          {"internal/telemetry", "the one registry"},
	"github.com/prometheus/common":                 {"internal/telemetry", "the text format of the one registry"},
	"github.com/jackc/pgx/v5":                      {"store/sqldb", "as above it"},
	"github.com/minio/minio-go/v7":                 {"store/s3blob", "the client of a keeper of bytes"},
	"github.com/minio/minio-go/v7/pkg/signer":      {"origin/web", "requests to buckets are signed"},
	"github.com/minio/minio-go/v7/pkg/s3utils":     {"origin/web", "the spelling of keys that is signed"},
	"go.opentelemetry.io/otel":                     {"internal/telemetry", "the one tracer"},
	"go.opentelemetry.io/proto/otlp":               {"internal/telemetry/collectortest", "the messages of a collector"},
	"google.golang.org/protobuf":                   {"internal/telemetry/collectortest", "the messages of a collector"},
	"modernc.org/sqlite":                           {"store/sqldb", "a database is a keeper's business"},
	"github.com/gen2brain/jpegn":                   {"engine/codec", "a codec"},
	"github.com/gen2brain/webp":                    {"engine/codec", "a codec"},
	"github.com/gen2brain/avif":                    {"engine/codec bench/decode.go", "a codec, and a look at what it made"},
	"github.com/esimov/pigo":                       {"engine/face", "the detector"},
	"github.com/gen2brain/heic":                    {"engine/codec", "a codec"},
	"github.com/ebitengine/purego":                 {"engine/codec/native", "calls into the system's libraries"},
	"golang.org/x/image/webp":                      {"engine/codec bench/decode.go", "a codec, and a look at what it made"},
	"golang.org/x/image/colornames":                {"params", "the names of CSS colours"},
	"golang.org/x/sys/cpu":                         {"engine/pixel", "which kernels the processor can run"},
	"golang.org/x/net/dns/dnsmessage":              {"", "names that lie, for tests"},
	"golang.org/x/net/websocket":                   {"", "a client and a server of websockets, for tests"},
	"golang.org/x/net/idna":                        {"params", "host names in one spelling"},
	"github.com/kovidgoyal/imaging/prism/meta/icc": {"engine/pixel", "colour profiles"},
	"github.com/HdrHistogram/hdrhistogram-go":      {"bench/load", "latencies"},
	"github.com/tetratelabs/wazero":                {"plugins/wasm", "the runtime of rules"},
	"github.com/http-wasm/http-wasm-guest-tinygo":  {"", "guests of others, for tests"},
	"github.com/http-wasm/http-wasm-host-go/tck":   {"", "the kit that a host must pass"},
	"github.com/google/go-cmp":                     {"cache/cachetest store/storetest plugins/rulestest", "differences for people to read"},
	"github.com/rogpeppe/go-internal":              {"", "scripts that run the binary"},
}

// long lists what may break a bound, with the reason.
var long = map[string]string{}

// The bounds of a function and a file, in lines.
const (
	maxFunction = 100
	mostly      = 40 // nine of ten functions
	maxFile     = 600
)
