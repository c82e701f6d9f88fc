# `make` says what there is. Building needs Go and a C compiler (librdkafka comes
# with its Go package); the tests need Java, Maven, Python, Node and Prometheus besides,
# and `make test` installs those where it may.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Tools need a home for their caches, even where nobody has one.
export HOME := $(or $(HOME),$(or $(TMPDIR),/tmp)/ringtail-home-$(shell id -u))
export GOFLAGS ?= -mod=readonly

golangci := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# Goroutines meet in these; what talks to Kafka alone is slow under -race, and no wiser.
ringtail := bin/ringtail
racy     := ./codec/... ./shard/... ./producer/... ./server/...
# What has code of its own for another processor.
emulated ?= ./codec ./shard
fuzztime ?= 10s

.PHONY: help build run test without-c arm64 race lint check fuzz bench hostile bench-compare faults kafkas screenshots mutants licences dist dist-test clean need-go need-cc need-tests need-dist

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: need-go need-cc ## bin/ringtail
	@go build -buildvcs=auto -o bin/ringtail ./cmd/ringtail

run: build ## build, and serve with a broker in the same process
	@echo 'Ringtail is starting, with a broker of its own that forgets everything at the end.'
	@exec $(ringtail) serve --embedded $(ARGS) > >(exec deploy/ready.sh $(ringtail) $(ARGS))

test: need-go need-cc need-tests ## all tests, real Kafka included
	@go test -timeout 20m -parallel 4 $$(go list ./... | grep -v -e /internal/e2e$$ -e /internal/faults$$ -e /internal/dist$$)
	@go test -v -count=1 -timeout 20m ./internal/e2e ./internal/faults # -v: they print what they measured; of the binary they run Go knows nothing
	@$(MAKE) --no-print-directory -j2 race without-c arm64 # they wait more than they compute

without-c: need-go need-tests ## the build without C, which has the native writer alone: on Kafka, and with serve --embedded
	@CGO_ENABLED=0 go test -timeout 10m ./producer/native ./producer/backend
	@CGO_ENABLED=0 go test -timeout 10m ./producer -run '^Test(WithoutLibrdkafka|FatalErrorIsSurvived|Refresh|LaterRefreshes|SilentAndTaken|LeaderThatIsElsewhere)$$'
	@CGO_ENABLED=0 go test -timeout 10m ./cmd/ringtail -run '^Test(WithoutC|ServeEmbedded|VersionNamesTheLibraries)$$'

# An emulated process cannot start itself, and what is allocated is the same everywhere.
arm64: need-go ## the unit tests of frames and rings on arm64, emulated: emulated='./wire ./producer/native' for others
	@$(call need,qemu-aarch64-static,qemu-user-static,qemu-user-static,qemu)
	@GOARCH=arm64 CGO_ENABLED=0 go test -exec qemu-aarch64-static -short -skip '^Test(Killed|NothingIsAllocated)$$' -timeout 10m $(emulated)

race: need-go need-cc ## the race detector on the packages where goroutines meet
	@go test -race -short -timeout 15m $(racy)
	@go test -C client -race -count=1 -timeout 10m ./... # a module of its own; of the binary it runs Go knows nothing

lint: need-go need-cc ## gofmt, go vet, golangci-lint (staticcheck and others), and this project's own rules
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt -w $$unformatted"; exit 1; }
	@go vet ./...
	@go vet -C client ./...
	@CGO_ENABLED=0 go vet ./...
	@GOOS=darwin CGO_ENABLED=0 go vet ./...
	@GOOS=darwin go vet -C client ./...
	@GOOS=windows go vet -C client ./...
	@GOOS=windows CGO_ENABLED=0 go build -o /dev/null ./cmd/ringtail # the tools alone; its tests have servers
	@GOFLAGS= go run $(golangci) run --allow-parallel-runners ./...
	@cd client && GOFLAGS= go run $(golangci) run --allow-parallel-runners ./...
	@go test -count=1 ./internal/tidy

check: lint need-tests ## the gate before every commit: lint, and the quick tests
	@go test -short ./codec/... ./shard/... ./server/... ./producer/... ./bench/... ./internal/config ./internal/node ./internal/embedded ./cmd/...

# Where the time is over in a bad moment Go before 1.27 says "context deadline exceeded", and fails
# (go.dev/issue/75804); of what a target finds the input is written down.
fuzz: need-go need-cc ## each fuzz target for a while: make fuzz fuzztime=10m
	@log=$$(mktemp); trap "rm -f $$log" EXIT; \
	for dir in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -d' ' -f2); do \
	    echo "== $$dir $$target"; \
	    go test -C $$dir -run '^$$' -fuzz "^$$target$$" -fuzztime $(fuzztime) . | tee "$$log" || \
	      { grep -q '^ *context deadline exceeded$$' "$$log" && ! grep -q 'Failing input' "$$log"; } || exit 1; \
	  done; \
	done

bench: need-go need-cc need-tests ## what Ringtail takes, beside librdkafka's own ceiling, and others
	@go run ./bench/ratio $(ARGS)

hostile: need-go need-cc ## what the worst records cost beside ordinary ones, against limits: ARGS='-bench HostileSearch -hostile.search 10m' looks for worse
	@go test -run '^$$' -bench 'Hostile$$' ./codec $(ARGS)

bench-compare: need-go need-cc ## micro-benchmarks of this tree against another commit: make bench-compare REF=HEAD~3
	@bench/compare.sh $(or $(REF),HEAD) $(ARGS)

faults: need-go need-cc need-tests ## break Kafka, the network and Ringtail, and count: ARGS='--row broker-killed,write-revoked --runs 3', '--minutes 60'
	@go run ./internal/faults/cmd/faults --ledger internal/faults/ledger.tsv $(ARGS)

# The newest of each line that people run; 2.8 with ZooKeeper.
versions ?= 2.8.2 3.7.2 3.9.1 4.1.1 4.4.0
writers  ?= native librdkafka
kafkas: need-go need-cc need-tests ## the tests against every Kafka, with both writers: make kafkas versions=2.8.2 writers=native
	@for version in $(versions); do \
	  echo "== Kafka $$version"; \
	  KAFKA_VERSION=$$version go test -count=1 -timeout 20m ./internal/kafkatest ./producer; \
	  for writer in $(writers); do \
	    echo "== Kafka $$version, writer $$writer"; \
	    KAFKA_VERSION=$$version RINGTAIL_WRITER=$$writer go test -v -count=1 -timeout 40m ./internal/e2e ./internal/faults; \
	  done; \
	done

screenshots: need-go need-cc need-tests ## the pictures of the page in docs/images
	@mkdir -p docs/images
	@go test ./cmd/ringtail -count=1 -run '^TestPage$$' -page.pictures $(CURDIR)/docs/images -page.load $(or $(LOAD),60s)

mutants: need-go need-cc ## break the code's rules one by one, and see whether a test dies: ARGS='-only native'
	@nice go run ./internal/mutants $(ARGS)

licences: need-go ## third_party.txt and NOTICE: the licences of what the binary links
	@go test ./internal/licences -run '^TestThirdParty$$' -count 1 -args -write

dist: need-go need-dist ## what a release consists of, in dist/: archives with a static file, deb, rpm, SBOM, checksums
	@GOFLAGS='$(GOFLAGS) -trimpath' packaging/dist.sh dist

dist-test: need-go need-dist need-tests ## a release of this machine's architecture, tried where nothing else is; root's. ARGS=-arm64: that too, under qemu
	@$(call need,debootstrap,debootstrap,debootstrap,debootstrap)
	@$(call need,rpm,rpm,rpm,rpm)
	@$(call need,qemu-aarch64-static,qemu-user-static,qemu-user-static,qemu)
	@go test -count=1 -timeout 20m ./internal/dist -args $(ARGS)

clean: ## remove what was built
	@rm -rf bin dist

# What is missing is installed where we may (root on Debian or Ubuntu), else named. No
# service is started: policy-rc.d denies it meanwhile.
define need
	command -v $(1) >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing $(2)"; export DEBIAN_FRONTEND=noninteractive; \
	    policy=/usr/sbin/policy-rc.d; \
	    [ -e $$policy ] || { trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; }; \
	    apt-get install -y -qq --no-install-recommends $(2) >/dev/null 2>&1 || \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(2) >/dev/null; }; \
	  else \
	    echo "$(1) is missing. Debian, Ubuntu: apt-get install $(2); Fedora: dnf install $(3); macOS: brew install $(4)"; exit 1; \
	  fi; }
endef

need-go:
	@command -v go >/dev/null || { echo "go is missing. Install Go 1.26 or newer from https://go.dev/dl/ (1.21 or newer will fetch it by itself)"; exit 1; }
	@mkdir -p "$$HOME"

need-cc:
	@command -v cc >/dev/null || $(call need,gcc,gcc libc6-dev,gcc,gcc)

need-tests:
	@$(call need,java,default-jre-headless,java-21-openjdk-headless,openjdk)
	@$(call need,mvn,maven,maven,maven)
	@$(call need,openssl,openssl,openssl,openssl)
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || $(call need,chromium,chromium,chromium,--cask chromium)
	@$(call need,node,nodejs,nodejs,node)
	@$(call need,python3,python3,python3,python3)
	@python3 -m pip --version >/dev/null 2>&1 || $(call need,pip3,python3-pip,python3-pip,python3)
	@$(call need,mandoc,mandoc,mandoc,mandoc)
	@$(call need,fish,fish,fish,fish)
	@$(call need,zsh,zsh,zsh,zsh)
	@$(call need,systemd-analyze,systemd,systemd,systemd)
	@$(call need,buildah,buildah,buildah,buildah)
	@$(call need,musl-gcc,musl-tools,musl-gcc,FiloSottile/musl-cross/musl-cross)
	@$(call need,rsyslogd,rsyslog,rsyslog,rsyslog)
	@[ -n "$$(ls /usr/lib/*/rsyslog/omkafka.so /usr/lib*/rsyslog/omkafka.so 2>/dev/null)" ] || $(call need,omkafka,rsyslog-kafka,rsyslog-kafka,rsyslog)
	@$(call need,nc,netcat-openbsd,nmap-ncat,netcat)
	@command -v haproxy >/dev/null || { $(call need,haproxy,haproxy,haproxy,haproxy); \
	  [ ! -d /run/systemd/system ] || systemctl disable -q haproxy; } # nor at the next boot
	@command -v promtool >/dev/null || { $(call need,promtool,prometheus,golang-github-prometheus,prometheus); \
	  [ ! -d /run/systemd/system ] || systemctl disable -q prometheus; } # nor at the next boot

# Other architectures' C compiler comes with pip.
need-dist:
	@$(call need,musl-gcc,musl-tools,musl-gcc,filosottile/musl-cross/musl-cross)
	@python3 -m pip --version >/dev/null 2>&1 || $(call need,pip3,python3-pip,python3-pip,python3)
