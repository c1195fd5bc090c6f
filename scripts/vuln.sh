#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Looks up known vulnerabilities: govulncheck for what the Go programs really call, npm audit for the web site's packages. Without the
# network it says loudly what it could not look up, and does not fail for that: nothing is known then.
set -u
cd "$(dirname "$0")/.." || exit 1
version=v1.9.0
bad=0
skipped() { echo "SKIPPED, NOT CHECKED: $1" >&2; }

for module in . bench; do
	out=$(cd "$module" && go run "golang.org/x/vuln/cmd/govulncheck@$version" ./... 2>&1)
	case $? in
	0) echo "govulncheck $version in $module: $(echo "$out" | grep -m1 'No vulnerabilities' || echo "$out" | tail -1)" ;;
	3) echo "$out"; bad=1 ;;
	*)
		if echo "$out" | grep -qiE 'dial tcp|no such host|timeout|connection refused|TLS handshake|lookup|403 Forbidden|404 Not Found|i/o timeout|proxyconnect|EOF$'; then
			skipped "govulncheck in $module cannot reach its database or module: $(echo "$out" | grep -v "^exit status" | tail -1)"
		else
			echo "$out"; bad=1
		fi
		;;
	esac
done

for dir in web test/e2e/browser; do
	[ -f "$dir/package-lock.json" ] || continue
	if ! command -v npm >/dev/null; then
		skipped "npm is not installed (make deps), so $dir is not audited"
		continue
	fi
	out=$(cd "$dir" && npm audit 2>&1)
	if [ $? = 0 ]; then
		echo "npm audit in $dir: $(echo "$out" | grep -v "^exit status" | tail -1)"
	elif echo "$out" | grep -qiE 'ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|audit endpoint returned an error|ENOAUDIT|network'; then
		skipped "npm audit in $dir: $(echo "$out" | grep -m1 -iE 'ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|endpoint|ENOAUDIT|network')"
	else
		echo "$out"; bad=1
	fi
done
exit $bad
