# SPDX-License-Identifier: Apache-2.0
# s3cam: `make help` lists the targets. Only Go is needed to build and run; `make test` installs the rest (scripts/deps.sh).

GO     ?= go
# Packages whose closure is small enough to build once more for a 32-bit target.
GO386  := ./segment/... ./internal/h264/... ./internal/aac/... ./mpegts/... ./hls/... ./playback/... ./uploader/... \
          ./internal/sigv4/... ./s3/... ./internal/cache/... \
          ./internal/hint/... ./internal/s3rule/... ./internal/wire/... ./internal/http1/... ./internal/s3put/... ./internal/credential/... ./internal/spool/... ./internal/agent/...
# Packages that start compilers, emulators and programs instead of testing Go code: run apart from the race detector, and never from
# the cache of test results, which cannot see what such programs read.
DEVICE := ./test/size/... ./test/dist/... ./test/device/...
TARGETS  ?= all
SOAK     ?= 30m
FUZZTIME ?= 10s
FOR      ?= 10m
BODY     ?= 1875000
KEEP     ?= 45s
# The release of Go that go.mod names, whatever the machine's default is. GOTOOLCHAIN=local takes the one that is installed.
ifndef GOTOOLCHAIN
export GOTOOLCHAIN := $(shell scripts/toolchain.sh)
endif
export PATH := $(CURDIR)/build/node/bin:$(CURDIR)/build/py/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help build demo agent csdk dist lambda container deps test lint test-go test-386 test-csdk test-device test-faults test-aws test-web test-browser test-long soak fuzz vuln \
        bench bench-load bench-device web clips clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/s3cam
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/s3cam ./cmd/s3cam

demo: ## run the demo: two simulated cameras, everything on loopback
	$(GO) run ./cmd/s3cam demo

agent: ## build the agent for cameras into build/TARGET/s3cam-agent: TARGETS="mipsle arm5 arm7 arm64 amd64", default all of them
	scripts/agent-build.sh $(TARGETS)

csdk: ## build the C library csdk/s3_hls.a: CROSS_COMPILE=mipsel-linux-gnu- for a camera
	$(MAKE) -C csdk CROSS_COMPILE=$(CROSS_COMPILE)

dist: ## pack build/dist/*.tar.gz for each kind of SoC, with checksums: TARGETS as above
	scripts/dist.sh $(TARGETS)

lambda: ## build the zips of the AWS Lambda functions into build/lambda
	scripts/lambda-build.sh

container: ## build the container image of the server (podman, buildah or docker)
	scripts/container.sh

deps: ## install what the tests need and this machine lacks (Debian, Ubuntu; elsewhere it says what to install)
	@scripts/deps.sh

# Suites that mostly wait run beside one that computes; what measures time (test-browser) and the race detector have the machine alone.
test: ## every suite
	$(MAKE) deps lint test-go test-csdk
	$(MAKE) -j2 --output-sync=target test-device test-386
	$(MAKE) -j2 --output-sync=target test-faults test-aws
	$(MAKE) test-web test-browser
	@echo "make test: all suites passed"

lint: ## formatting, vet and staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not gofmt'ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	cd bench && $(GO) vet ./...
	@GO="$(GO)" scripts/staticcheck.sh

test-go: ## Go tests with the race detector; three packages at a time on two processors, since many of them wait
	$(GO) test -race -p $$(($$(nproc) + 1)) -timeout 15m $$($(GO) list ./... | grep -v -E '/(csdk/tests|test/size|test/dist|test/device|test/faults)(/|$$)|/test/aws$$')
	cd bench && $(GO) test -race -count=1 ./load

test-386: ## the same for the pure packages as a 32-bit program
	GOARCH=386 CGO_ENABLED=0 $(GO) test -timeout 10m $(GO386)

test-csdk: ## the C library: compilers, sanitizers, valgrind, wire format
	$(MAKE) -C csdk check

test-device: ## agent and C library together, also emulated on MIPS and ARM; sizes; init scripts and archives
	scripts/agent-build.sh all
	$(GO) test -count=1 -timeout 20m $(DEVICE)

test-faults: ## the real programs under faults of network, processes, clocks and disks, power cuts, and clients that mean harm (disks need root)
	$(GO) test -count=1 -timeout 15m -v ./test/faults

test-aws: ## the AWS deployment without an account: templates, roles, the real functions under an emulator of Lambda and API Gateway
	$(GO) test -count=1 -timeout 10m ./test/aws

test-web: ## type check, unit tests, rebuild of the web bundle compared with the committed one
	@scripts/test-web.sh

test-browser: ## the page, hls.js, Video.js and ffmpeg against the real server in headless Chromium
	$(GO) test -count=1 -timeout 20m -parallel 3 -v ./test/e2e/browser/...

test-long: ## the rolling playlist polled for 5 minutes by hls.js, Video.js and ffmpeg; slow uplinks and outages of 60 s; 50 viewers for 2 minutes
	S3CAM_TEST_LONG=1 $(GO) test -count=1 -timeout 30m -v ./test/e2e/browser/...
	S3CAM_TEST_LONG=1 $(GO) test -count=1 -timeout 10m -v -run SlowUplinks ./test/device
	S3CAM_TEST_LONG=1 $(GO) test -count=1 -timeout 10m -v -run ManyViewers ./test/aws

soak: ## device side, then the whole under faults and power cuts, each for SOAK (default 30m) with random faults
	S3CAM_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -v -run Soak ./test/device/...
	S3CAM_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -v -run 'NothingAcknowledged|PowerCuts' ./test/faults

vuln: ## known vulnerabilities in what the programs call (govulncheck) and in the web site's packages (npm audit); needs the network
	@scripts/vuln.sh

fuzz: ## each fuzz target for FUZZTIME (default 10s)
	@scripts/fuzz.sh $(FUZZTIME)

bench: ## side-by-side measurements against ffmpeg, astits, aws-sdk-go-v2, nginx (needs valgrind, libavformat-dev, wrk)
	@scripts/deps.sh bench
	cd bench && ./run.sh

bench-load: ## 450 cameras and 500 viewers on one server for FOR (default 10m), segments of BODY bytes (5 Mbit/s, 20 GB of disk): latencies, an audit
	cd bench && ./run.sh -part load -for $(FOR) -body $(BODY) -keep $(KEEP)

bench-device: ## what the agent costs on a camera: flash, memory, instructions per byte (10 minutes)
	@scripts/deps.sh
	bench/device/run.sh

web: ## rebuild the web bundle into internal/webui/dist
	cd web && npm ci && npm run build

clips: ## regenerate the demo's clips (ffmpeg with libx264)
	internal/simcam/generate.sh

clean: ## remove what was built here
	rm -rf bin build web/node_modules test/e2e/browser/node_modules
