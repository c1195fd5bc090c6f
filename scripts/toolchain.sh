#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the release of Go to build and test with, for GOTOOLCHAIN: the one that go.mod names, which the go command downloads at its first use, or,
# loudly, `local` where it cannot be had. The scripts that make what is shipped do not fall back by themselves.
set -u
cd "$(dirname "$0")/.." || exit 1
wanted=$(sed -n 's/^toolchain //p' go.mod)
if why=$(GOTOOLCHAIN=$wanted go version 2>&1); then
	echo "$wanted"
	exit
fi
echo local
if command -v go >/dev/null; then
	printf 'WARNING: %s cannot be had (%s); using the installed %s, which may lack fixes of the standard library\n' \
		"$wanted" "$(tail -1 <<<"$why")" "$(GOTOOLCHAIN=local go env GOVERSION)" >&2
fi
