#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Type check and unit tests of web/, then a rebuild whose bytes must equal the committed bundle (internal/webui/dist).
set -eu
if ! command -v node >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	echo "test-web: SKIPPED, Node.js 20 or newer is missing (make deps says more)" >&2
	exit 0
fi
cd web
npm run --silent check
npm test --silent
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
npm run --silent build -- --outDir "$built" --logLevel warn
if ! diff -r "$built" ../internal/webui/dist; then
	echo "test-web: internal/webui/dist is not what web/ builds; run 'make web' and commit it" >&2
	exit 1
fi
echo "test-web: types, unit tests and the committed bundle are right"
