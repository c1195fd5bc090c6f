#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs staticcheck over the Go code, in the release named here. Where it cannot be had (no network, and not in the module cache) it says so
# loudly and does not fail: nothing is known then.
set -u
cd "$(dirname "$0")/.." || exit 1
version=v0.8.2 # of honnef.co/go/tools; staticcheck -version calls it 2026.2.2
go=${GO:-go}
if ! out=$(GOBIN="$PWD/build/bin" "$go" install "honnef.co/go/tools/cmd/staticcheck@$version" 2>&1); then
	echo "SKIPPED, NOT CHECKED: staticcheck $version cannot be built here: $(echo "$out" | tail -1)" >&2
	exit 0
fi
PATH="$("$go" env GOROOT)/bin:$PATH" build/bin/staticcheck ./...
