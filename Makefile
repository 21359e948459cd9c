# Targets are a line or two; `make help` lists them.
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS     = -s -w $(if $(VERSION),-X cim/internal/buildinfo.version=$(VERSION))
FUZZTIME   ?= 30s
BENCH      ?= .
PKG        ?= ./...
GOLANGCI    = bin/golangci-lint-$(GOLANGCI_V)
GOLANGCI_V  = v2.15.0
TESTFLAGS  ?= -race -shuffle=on -timeout=15m

.DEFAULT_GOAL := help
.PHONY: help run build test deps vet lint fmt unit fuzz bench proto clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: build ## a whole system in one process, with its data in ./cim-data
	@exec bin/cim up

build: ## bin/cim: one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/cim ./cmd/cim

test: deps vet lint unit ## everything that has to pass: deps, vet, lint, race tests

deps: ## install what the tests start besides Go (apt-get, as root), where it is missing
	@.ci/deps

vet: ## go vet, for Linux and for macOS
	go vet ./...
	GOOS=darwin go vet ./...

lint: $(GOLANGCI) ## golangci-lint and the formatters, as .golangci.yml says
	$(GOLANGCI) run ./...

fmt: $(GOLANGCI) ## format the sources
	$(GOLANGCI) fmt ./...

unit: ## the race tests alone; PKG=./route/... for some of them
	go test $(TESTFLAGS) $(PKG)

fuzz: ## each fuzz target for FUZZTIME (30s)
	@.ci/fuzz $(FUZZTIME)

bench: ## Go benchmarks; PKG and BENCH choose some of them
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

proto: bin/protoc-gen-go ## proto/*.pb.go from proto/*.proto (needs protoc)
	protoc --plugin=bin/protoc-gen-go -I proto --go_out=. --go_opt=module=cim proto/cim.proto proto/peer.proto

clean: ## remove bin
	rm -rf bin

bin/protoc-gen-go: go.mod
	go build -o $@ google.golang.org/protobuf/cmd/protoc-gen-go

# The version is in the file's name, so that another pin is another file.
$(GOLANGCI):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_V)
	mv bin/golangci-lint $@
