GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.6.2

.PHONY: test lint fuzz bench generate

test: ## all tests, with the race detector
	go test -race ./...

lint: ## what review would send back
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	go vet ./...
	go run $(GOLANGCI) run

fuzz: ## every fuzz target for a minute
	FUZZTIME=60s .ci/fuzz

bench: ## benchmarks beside the code
	go test -run '^$$' -bench . -benchmem ./...

generate: ## the demo pictures and the pages of reference
	go generate ./...
	go run ./cmd/proxy config --markdown >docs/configuration.md
	go test ./params -run Reference -update
