# fastcr's targets; `make help` lists them.
PREFIX  ?= /usr/local
DESTDIR ?=
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w $(if $(VERSION),-X main.release=$(VERSION))

.DEFAULT_GOAL := build
.PHONY: build generate demo test bench bench-compare lint check-generated fmt clean install help

build: ## bin/fastcr and bin/fastcr-bench, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/fastcr ./cmd/fastcr-bench

generate: ## compile bpf/ and the guardian again (clang 14), write images/pb
	scripts/setup-build generate
	$(GO) generate ./freeze ./loader ./images/pb

demo: build ## dump and restore a counting program before your eyes
	scripts/setup-build tools
	scripts/demo

test: build ## all tests, against the real criu
	scripts/setup-build test
	criu=$$(scripts/setup-criu) && FASTCR_CRIU="$$criu" $(GO) test -count=1 -timeout 20m ./...

bench: build ## micro-benchmarks, then how long programs stand still, in turn with criu
	scripts/setup-build tools
	$(GO) test -run '^$$' -bench . -timeout 30m ./dump ./freeze ./images ./loader ./memory ./netlock
	criu=$$(scripts/setup-criu) && FASTCR_CRIU="$$criu" bin/fastcr bench --out bin/bench

bench-compare: ## this tree against REV, both in turn in one run
	scripts/bench-compare $(REV)

lint: check-generated ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { echo "gofmt:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

check-generated: ## the committed BPF objects and guardian are those of their sources
	scripts/check-generated

fmt: ## gofmt everything
	gofmt -w .

clean: ## remove what was built
	rm -rf bin

install: build ## binaries and manual page
	install -D -m 755 bin/fastcr $(DESTDIR)$(PREFIX)/sbin/fastcr
	install -D -m 755 bin/fastcr-bench $(DESTDIR)$(PREFIX)/sbin/fastcr-bench
	install -D -m 644 docs/fastcr.8 $(DESTDIR)$(PREFIX)/share/man/man8/fastcr.8

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 18
