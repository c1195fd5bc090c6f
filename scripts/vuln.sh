#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Looks up known vulnerabilities: govulncheck for what the Go programs really call, npm audit for the web site's packages. Where
# govulncheck cannot reach its database, the database is made from its sources, which come through the module proxy; that takes minutes
# the first time. What cannot be looked up is said loudly and does not fail: nothing is known then.
set -u
cd "$(dirname "$0")/.." || exit 1
export GOTOOLCHAIN="${GOTOOLCHAIN:-$(sed -n 's/^toolchain //p' go.mod)}"
version=v1.9.0
bad=0
skipped() { echo "SKIPPED, NOT CHECKED: $1" >&2; }
unreachable() { grep -qiE 'dial tcp|no such host|timeout|connection refused|TLS handshake|lookup|40[345] |i/o timeout|proxyconnect|EOF$'; }
govulncheck() { (cd "$1" && shift && go run "golang.org/x/vuln/cmd/govulncheck@$version" "$@" ./... 2>&1); }

# database makes build/vulndb/VERSION from the sources of the newest version of golang.org/x/vulndb and prints its address.
database() {
	local info dir newest
	info=$(go mod download -json golang.org/x/vulndb@latest) || return
	dir=$(sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p' <<<"$info")
	newest=$(sed -n 's/^\t"Version": "\(.*\)",*$/\1/p' <<<"$info")
	local out=$PWD/build/vulndb/$newest
	if [ ! -d "$out" ]; then
		rm -rf "$out.new" && mkdir -p "$out.new"
		go run "golang.org/x/vulndb/cmd/indexdb@$newest" -vulns "$dir/data/osv" -out "$out.new" >&2 || return
		mv "$out.new" "$out"
	fi
	echo "vuln: database made from golang.org/x/vulndb $newest" >&2
	echo "file://$out"
}

db=()
for module in . bench; do
	out=$(govulncheck $module ${db+"${db[@]}"})
	code=$?
	if [ $code != 0 ] && [ $code != 3 ] && [ ${#db[@]} = 0 ] && unreachable <<<"$out" && address=$(database); then
		db=(-db "$address")
		out=$(govulncheck $module "${db[@]}")
		code=$?
	fi
	case $code in
	0) echo "govulncheck $version in $module: $(grep -m1 'No vulnerabilities' <<<"$out" || tail -1 <<<"$out")" ;;
	3) echo "$out"; bad=1 ;;
	*)
		if unreachable <<<"$out"; then
			skipped "govulncheck in $module cannot reach its database or module: $(grep -v '^exit status' <<<"$out" | tail -1)"
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
	if out=$(cd "$dir" && npm audit 2>&1); then
		echo "npm audit in $dir: $(tail -1 <<<"$out")"
	elif grep -qiE 'ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|audit endpoint returned an error|ENOAUDIT|network' <<<"$out"; then
		skipped "npm audit in $dir: $(grep -m1 -iE 'ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|40[345]|endpoint|ENOAUDIT|network' <<<"$out" | sed 's#https*://[^ ]*#(the registry)#')"
	else
		echo "$out"; bad=1
	fi
done
exit $bad
