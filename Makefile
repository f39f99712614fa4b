# One door for everything: `make` lists the targets.

GO ?= go
PKG ?= ./...

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: cities
cities: ## load 150,000 places, share them, search them: what ayb does, in one go
	@$(GO) run ./examples/cities -data "$$(scripts/cities)"

.PHONY: test
test: lint ## everything that must hold; sets up what it needs, and fails if it cannot
	@nsjail=$$(scripts/nsjail) || echo "NOT TESTED: worker processes under nsjail"; \
	AYB_TEST_REQUIRE=1 AYB_NSJAIL="$$nsjail" AYB_VERSITYGW="$$(scripts/versitygw)" AYB_BUBBLEWRAP="$$(scripts/bubblewrap)" AYB_TEST_CITIES="$$(scripts/cities)" scripts/postgres scripts/aiosmtpd scripts/inturn $(GO) test -timeout 20m $(TESTFLAGS) -- $(PKG)

.PHONY: race
race: ## the same under the race detector (needs a C compiler)
	@$(MAKE) test TESTFLAGS='-race $(TESTFLAGS)'

.PHONY: lint
lint: ## formatting and go vet
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt would change: $$files"; exit 1; fi
	@$(GO) vet $(PKG)

.PHONY: cross
cross: ## build and vet for macOS and Windows
	@scripts/cross

.PHONY: release
release: ## build the programs of a release for all systems, with checksums, into dist
	@scripts/release

.PHONY: reproducible
reproducible: ## build a release twice, in different places, and compare
	@scripts/reproducible

.PHONY: image
image: ## build the container image, where there is something to build it with
	@if docker info >/dev/null 2>&1; then docker build -f deploy/Dockerfile -t ayb .; \
	else echo "no container engine answers: only linting"; $(GO) test ./cmd/ayb -run Deploy -v; fi

.PHONY: fuzz
fuzz: ## fuzz each target for FUZZTIME (default 30s)
	@scripts/fuzz $(or $(FUZZTIME),30s)

.PHONY: bench
bench: ## measure against the bare driver and others, print ratios, write them to bench/results
	@$(GO) run ./bench -o bench/results

.PHONY: stress
stress: ## an hour of hard work: a mixed load for STRESS (default 30m), 100 kills, a million databases
	@AYB_STRESS=$(or $(STRESS),30m) AYB_STRESS_ROUNDS=$(or $(ROUNDS),100) $(GO) test -count 1 -timeout 0 -v ./stress
	@$(GO) run ./bench million

.PHONY: clean
clean: ## remove what the targets have fetched and built
	@rm -rf .cache bin dist
