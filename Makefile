# `make deps test` is all a newcomer needs; `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
DENY_VERSION := 0.20.2
RUST_VERSION := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | sort | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: deps
deps: ## install what build and tests need and the machine does not have
	@command -v cc >/dev/null || { \
	  command -v apt-get >/dev/null || { echo "error: no C linker (cc); install a C tool chain" >&2; exit 1; }; \
	  apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev; }
	@$(MAKE) --no-print-directory tools-rust tools-bed
	@[ "$$($(CARGO) deny --version 2>/dev/null)" = "cargo-deny $(DENY_VERSION)" ] || \
	  $(CARGO) install --locked --version $(DENY_VERSION) cargo-deny
	$(CARGO) fetch --locked
	@[ "$$(uname -s)" = Linux ] || exit 0; for module in tests/clb-double/sdk tests/testbed/go/service-hash \
	    tests/testbed/go/event-correlator; do \
	  (cd $$module && go mod download) || exit 1; done

.PHONY: tools-rust
tools-rust:
	@command -v $(CARGO) >/dev/null || { \
	  echo "error: no cargo; install Rust $(RUST_VERSION) or newer from https://rustup.rs" >&2; exit 1; }
	@have=$$(rustc --version | cut -d' ' -f2); \
	  oldest=$$(printf '%s\n%s\n' "$$have" "$(RUST_VERSION)" | sort -V | head -n 1); \
	  [ "$$oldest" = "$(RUST_VERSION)" ] || { \
	  echo "error: Rust $$have is too old; install $(RUST_VERSION) or newer, for example with rustup update" >&2; exit 1; }

.PHONY: test
test: tools-rust bed-programs ## run all tests; SUITES='e2e/ core/' for some of them
	$(CARGO) run -q --locked -p clbmigrate-test-runner -- $(SUITES)

.PHONY: test-full
test-full: tools-rust bed-programs ## run all tests, with much more random input, and those that take long
	$(CARGO) run -q --locked -p clbmigrate-test-runner -- --full --limit 90 $(SUITES)

.PHONY: lint
lint: tools-rust ## check format and run clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: licences
licences: ## check the licences and sources of all dependencies
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "error: cargo-deny is missing; run make deps" >&2; exit 1; }
	$(CARGO) deny --locked check --hide-inclusion-graph licenses bans sources

.PHONY: bench
bench: tools-rust tools-bed ## measure the core, the reading of files, and the webhook beside an echo
	rm -f target/bench/summary.json
	$(CARGO) bench --workspace --locked

.PHONY: docs
docs: tools-rust tools-bed ## write the generated pages of docs/ and the manifests of deploy/ anew
	CLBMIGRATE_UPDATE=1 $(CARGO) test --locked -p kubectl-clbmigrate --test plugin -- docs::
	CLBMIGRATE_UPDATE=1 $(CARGO) test --locked -p clbmigrate-cluster --test cluster -- mistakes
	CLBMIGRATE_UPDATE=1 $(CARGO) test --locked -p clbmigrate-e2e --test chart -- "in step"

# What the clusters of tests need on Linux, as PACKAGE:PROGRAM.
BED_TOOLS := faketime:faketime iproute2:ip nftables:nft procps:sysctl runc:runc util-linux:setpriv

.PHONY: tools-bed
tools-bed:
	@[ "$$(uname -s)" = Linux ] || exit 0; PATH=$$PATH:/usr/sbin:/sbin; missing=; \
	  for tool in $(BED_TOOLS); do command -v "$${tool#*:}" >/dev/null || missing+=" $${tool%:*}"; done; \
	  [ -z "$$missing" ] || { \
	  command -v apt-get >/dev/null || { echo "error: install what the tests' clusters need:$$missing" >&2; exit 1; }; \
	  apt-get update -q && apt-get install -y -q --no-install-recommends $$missing; }
	@[ "$$(uname -s)" = Linux ] || exit 0; [ -n "$${CLBMIGRATE_BED:-}" ] || command -v go >/dev/null || { \
	  echo "error: no go to build the tests' clusters; install Go 1.26 or newer from https://go.dev/dl" >&2; exit 1; }

# Nodes need root.
BED_SIZE = $(if $(filter 0,$(shell id -u)),--nodes)

# Built before the suites start, so that its progress shows.
.PHONY: bed-programs
bed-programs: tools-bed
	@[ "$$(uname -s)" = Linux ] || exit 0; $(CARGO) run -q --locked -p clbmigrate-testbed -- build $(BED_SIZE) --helm

.PHONY: demo
demo: tools-rust tools-bed ## show it all on a cluster made for it; DEMO=--pause waits for Enter before each scene
	$(CARGO) run -q --locked -p clbmigrate-e2e --bin demo -- $(DEMO)

.PHONY: bed-up
bed-up: tools-rust ## start clusters of the newest and the oldest Kubernetes; CLUSTERS='a=v1.36.3:3' for others
	$(CARGO) run -q --locked -p clbmigrate-testbed -- up $(BED_SIZE) $(CLUSTERS)

.PHONY: bed-down
bed-down: tools-rust ## end them
	$(CARGO) run -q --locked -p clbmigrate-testbed -- down

.PHONY: bed-shell
bed-shell: tools-rust ## a shell with kubectl in their network
	@$(CARGO) run -q --locked -p clbmigrate-testbed -- shell
