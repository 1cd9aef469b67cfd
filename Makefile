# Fountain. `make run` needs Go and make only; `make test` likewise (the race run wants a C compiler and says so).

SHELL   := /bin/sh
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X fountain/internal/build.Version=$(VERSION)
GO      ?= go
CMDS    := fountaind fountain-guard fountain-ui fountain-plant fountain-desk fountainctl fountain-cloud
UNITS   ?= 1
HTTP_PORT ?= 8080
MQTT_PORT ?= 8883
DIR     ?= .desk

export CGO_ENABLED = 0

.PHONY: run build build-all test test-device test-e2e test-interop test-long test-deps lint race bench clean

run: build
	@exec bin/fountain-desk --dir $(DIR) --units $(UNITS) --http 127.0.0.1:$(HTTP_PORT) --mqtt 127.0.0.1:$(MQTT_PORT) $(if $(RIG),--rig $(RIG))

build:
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ $(addprefix ./cmd/,$(CMDS))

build-all: build
	@for t in linux/amd64 linux/arm64 linux/arm/7; do \
	  os=$${t%%/*}; arch=$${t#*/}; arm=; case $$arch in arm/*) arm=$${arch#arm/}; arch=arm;; esac; \
	  dir=bin/$$os-$$arch; [ -z "$$arm" ] || dir=bin/$$os-armv$$arm; mkdir -p $$dir; echo "build $$dir"; \
	  GOOS=$$os GOARCH=$$arch GOARM=$$arm $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $$dir/ $(addprefix ./cmd/,$(CMDS)) || exit 1; \
	done

# Properties are drawn from one seed here; `make test-long` draws new ones each time.
test race: export RAPID_SEED ?= 1

# Most tests run in virtual time and share the cores, the longest first. Those with deadlines in real time run one package
# after the other, the whole loop last. lint has vetted them all. What the race run runs is not run a second time without
# the race detector, but for UNRACED: that leaves out some of it, for which the race detector is too slow.
TEST    := $(GO) test -vet=off
LIVE    := /agent$$|/agent/apiserver|/cmd/|/hal/sim|/internal/desk
RACED   := ^fountain/(agent|hal|sync|cloud)(/|$$)
UNRACED := ./agent/machine ./agent/store ./sync/chaos
test: lint
	$(TEST) $$({ $(GO) list ./... | grep -vE '$(LIVE)|$(RACED)'; $(GO) list $(UNRACED); } | sort -r)
	$(TEST) -p 1 -parallel 1 ./cmd/...
	@$(MAKE) --no-print-directory race
	$(TEST) -v ./internal/desk
	@echo "make test: all passed"

lint:
	@echo "gofmt, gofumpt, vet, staticcheck"
	@out=$$(gofmt -l agent cloud cmd deploy docs hal internal sync touchui); [ -z "$$out" ] || { echo "gofmt: $$out: run gofmt -w"; exit 1; }
	@out=$$($(GO) tool -modfile=tools/go.mod gofumpt -l agent cloud cmd deploy docs hal internal sync touchui); [ -z "$$out" ] || { echo "gofumpt: $$out: run make fmt"; exit 1; }
	@$(GO) vet ./...
	@$(GO) tool -modfile=tools/go.mod staticcheck ./...

# The fonts the screen embeds, cut anew out of Debian's. Not part of a build: the results are committed.
.PHONY: fonts
fonts:
	@tools/fonts/build.sh

# The pictures of docs/design.md, drawn anew by the tests of the screens.
.PHONY: screens
screens:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && export FOUNTAIN_LOOK="$$dir" && \
	$(GO) test -count=1 -run '^(TestLooks|TestDrinkPages|TestMixPage|TestReachJourney|TestReachMix|TestJourneyByFourKeys)$$' ./touchui/screens && \
	FOUNTAIN_LOOK_AT='1080x1920/en 800x480/en' $(GO) test -count=1 -run '^(TestAudit|TestDisplayTest|TestDiagnostics)$$' ./touchui/service && \
	$(GO) test -count=1 -run '^TestScreens$$' ./docs

.PHONY: fmt
fmt:
	@$(GO) tool -modfile=tools/go.mod gofumpt -w agent cloud cmd deploy docs hal internal sync touchui

# All but sync/chaos, whose parts are in: the whole of them under the race detector takes minutes.
# SQLite is C in Go, with no goroutine of its own: to watch each of its bytes makes the cloud's tests take up to twenty times as long.
RACEFLAGS := -race -gcflags=modernc.org/sqlite/lib=-race=false
RACE := $(GO) list ./... | grep -E '$(RACED)' | grep -v /sync/chaos
race:
	@flags=; if command -v $${CC:-gcc} >/dev/null 2>&1; then echo "go test -race agent hal sync cloud"; flags='$(RACEFLAGS)'; export CGO_ENABLED=1; \
	else echo "SKIPPED: the race run needs a C compiler (gcc), which is not installed here; the same tests run without the race detector"; fi; \
	$(TEST) $$flags $$($(RACE) | grep -vE '$(LIVE)') && $(TEST) $$flags -p 1 $$($(RACE) | grep -E '$(LIVE)')

test-deps:
	@sh internal/desk/testdeps.sh
	@tools/device/prepare.sh --tools || { [ $$? = 9 ] && echo "SKIPPED: the tools of make test-device cannot be installed here"; }

# The shipping arm64 programs on a real kernel, in an emulator. DEVICE='-run TwentyPours -v' narrows it (docs/DEVICE.md).
test-device:
	@GO='$(GO)' LDFLAGS='$(LDFLAGS)' tools/device/test.sh $(DEVICE)

test-e2e: build test-deps
	FOUNTAIN_E2E=1 $(GO) test -count=1 -p 1 -v -run 'TestE2E|TestChromium' ./touchui/display/web ./internal/desk

# Clients and servers nobody of Fountain wrote: the AWS SDKs, mqtt.js, the aws command, mosquitto, PostgreSQL, AWS's validator.
test-interop: build
	@GO='$(GO)' tools/interop/test.sh

test-long: build
	RAPID_CHECKS=5000 $(GO) test -count=1 -p 1 $$(grep -rl --include='*_test.go' pgregory.net/rapid agent cloud hal sync touchui | xargs -n1 dirname | sort -u | sed 's,^,./,')
	FOUNTAIN_LONG=1 $(GO) test -count=1 -v -timeout 60m -run 'Chaos|Long' ./internal/desk ./agent/machine
	FOUNTAIN_LONG=1 $(GO) test -count=1 -v -timeout 40m -run 'Kill9|PowerLoss' ./agent/store
	FOUNTAIN_LONG=1 $(GO) test -count=1 -v -timeout 30m -run TestLinkCuts ./sync/chaos
	FOUNTAIN_LONG=1 $(GO) test -count=1 -v -timeout 60m -p 1 -run 'Monkey|TapsToADrink|Incremental|Audit' ./touchui/...

bench: # one JSON line a figure on stdout, all else on stderr
	@$(MAKE) --no-print-directory build >&2
	@$(GO) test -c -o bin/bench.test ./internal/bench
	@cd internal/bench && ../../bin/bench.test -figures -prefix '$(BENCH)' -bin '$(CURDIR)/bin' -test.run '^TestFigures$$' -test.timeout 30m

clean:
	rm -rf bin out
