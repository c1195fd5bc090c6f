#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the test suites need and this machine lacks. On Debian and Ubuntu by apt; elsewhere it says what to install
# and which suites are skipped without it. `deps.sh bench` adds what `make bench` needs. It never installs Go itself.
set -u

have() { command -v "$1" >/dev/null 2>&1; }
say() { printf 'deps: %s\n' "$*"; }

if ! have go; then
	say "Go 1.26 or newer is missing: install it first; nothing can be built without it." >&2
	exit 1
fi

missing=() # Debian package names
want() {   # want COMMAND PACKAGE SUITE
	have "$1" || { missing+=("$2"); lost+=("$1 (package $2): $3"); }
}
lost=()
want ffmpeg ffmpeg "footage compared after decoding, playlists judged by ffprobe"
want gcc gcc "the race detector"
[ -f /usr/include/stdlib.h ] || { missing+=(libc6-dev); lost+=("libc6-dev: the race detector"); }
# For the device side: compilers of the cameras' kinds of processor, each with its C library (which only --install-recommends
# would bring along), an emulator to run what they make, and what looks for errors in the C library.
cross() { # cross TRIPLE PACKAGE-SUFFIX DEBIAN-ARCHITECTURE
	[ "$(uname -m)" = "${1%%-*}" ] && return # this machine's own compiler
	want "$1-gcc" "gcc-$2" "the C library and the agent on $3"
	[ -f "/usr/$1/include/stdio.h" ] || { missing+=("libc6-dev-$3-cross"); lost+=("libc6-dev-$3-cross: the C library and the agent on $3"); }
}
cross mipsel-linux-gnu mipsel-linux-gnu mipsel
cross arm-linux-gnueabi arm-linux-gnueabi armel
cross arm-linux-gnueabihf arm-linux-gnueabihf armhf
cross aarch64-linux-gnu aarch64-linux-gnu arm64
want qemu-mipsel qemu-user "the device side on MIPS and ARM"
want clang clang "the C library by a second compiler"
want musl-gcc musl-tools "the C library with musl"
want valgrind valgrind "memory errors of the C library; instruction counts of make bench"
want cmake cmake "the C library's CMake project"
want pkg-config pkgconf "the C library's pkg-config file"
want openssl openssl "certificates of the device tests"
want xz xz-utils "the packed size of the agent; release archives"
want redis-server redis-server "live windows shared through a real Redis"
want promtool prometheus "the alert rules judged by Prometheus"
want rsync rsync "the copy of a live data directory by rsync"
want systemd-analyze systemd "the server's units judged by systemd"
want shellcheck shellcheck "the scripts and init scripts read by a checker"
want busybox busybox "the init scripts run by the shell that cameras have"
if ! have chromium-headless-shell && ! have chromium; then
	missing+=(chromium-headless-shell)
	lost+=("chromium-headless-shell: the browser tests")
fi
find /usr/share/fonts -iname '*cjk*' -o -iname 'wqy*' 2>/dev/null | grep -q . ||
	{ missing+=(fonts-wqy-microhei); lost+=("a Chinese font: the screenshots of the Chinese page"); }
venv_ok() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }
venv_ok || { missing+=(python3 python3-venv); lost+=("python3 with venv: templates judged by cfn-lint, functions run against moto"); }
node_ok() { have node && have npm && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ]; }
node_ok || { missing+=(nodejs npm); lost+=("node 20 with npm: the web bundle's tests and the browser tests"); }
# Distributions whose Node.js is too old get one from npm, below build/node; the Makefile puts it first on PATH.
newer_node() {
	node_ok && return
	have npm || return
	case $(uname -m) in
	x86_64) cpu=x64 ;;
	aarch64) cpu=arm64 ;;
	*) return 1 ;;
	esac
	say "installing Node.js 22 by npm into build/node"
	npm install --silent --no-audit --no-fund --no-save --prefix build/node "node-linux-$cpu@22" &&
		ln -sfn "node_modules/node-linux-$cpu/bin" build/node/bin && node_ok
}
if [ "${1:-}" = bench ]; then
	[ -x /usr/sbin/nginx ] || want nginx nginx "serving compared with nginx"
	want wrk wrk "serving compared with nginx"
	[ -f /usr/include/libavformat/avformat.h ] || ls /usr/include/*/libavformat/avformat.h >/dev/null 2>&1 ||
		{ missing+=(libavformat-dev libavcodec-dev libavutil-dev); lost+=("libavformat-dev: the comparison with libavformat"); }
fi

if [ ${#missing[@]} -gt 0 ]; then
	if have apt-get && [ "$(id -u)" = 0 ]; then
		say "installing ${missing[*]} by apt"
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq >/dev/null 2>&1 || say "apt-get update failed; trying with the lists that are here"
		# Wanted are the programs of nginx, Redis and Prometheus, not servers now and after each boot.
		policy=/usr/sbin/policy-rc.d
		if [ ! -e "$policy" ]; then
			printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
			trap 'rm -f "$policy"' EXIT
		fi
		for p in "${missing[@]}"; do # one by one: a package that this release lacks must not stop the others, nor a conflict of two
			apt-get install -y -qq --no-install-recommends "$p" >/dev/null 2>&1 || say "apt could not install $p"
			case $p in
			nginx | redis-server | prometheus) ! have systemctl || systemctl disable "$p" >/dev/null 2>&1 ;;
			esac
		done
		if ! have chromium-headless-shell && ! have chromium; then
			apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1 || say "apt could not install chromium either"
		fi
		newer_node || say "SKIPPED SUITES: node is older than 20 here; install Node.js 20 or newer for test-web and test-browser" >&2
	else
		say "this machine lacks what some suites need; they will say that they are skipped:" >&2
		printf 'deps:   %s\n' "${lost[@]}" >&2
		have apt-get && say "run 'make deps' as root to install them by apt" >&2
	fi
fi

# The small test programs' own packages, from their lock files, only when they changed.
if node_ok; then
	for d in web test/e2e/browser; do
		[ -f "$d/package-lock.json" ] || continue
		if [ ! -f "$d/node_modules/.package-lock.json" ] || [ "$d/package-lock.json" -nt "$d/node_modules/.package-lock.json" ]; then
			say "npm ci in $d"
			(cd "$d" && npm ci --no-audit --no-fund --loglevel=error) || { say "npm ci failed in $d" >&2; exit 1; }
		fi
	done
fi
# Python programs of the AWS tests, in an environment of their own, anew when their list changed or another Python is here.
if venv_ok; then
	want_py="$(cat test/aws/requirements.txt) $(python3 --version 2>&1)"
	if [ "$want_py" != "$(cat build/py/installed 2>/dev/null)" ] || [ ! -x build/py/bin/cfn-lint ]; then
		say "installing test/aws/requirements.txt by pip into build/py"
		rm -rf build/py
		hash -r # make has build/py/bin on PATH, and that python3 has just gone
		if python3 -m venv build/py && build/py/bin/pip install -q --disable-pip-version-check -r test/aws/requirements.txt; then
			printf '%s\n' "$want_py" >build/py/installed
		else
			say "SKIPPED TESTS: pip could not install test/aws/requirements.txt; the tests of the AWS deployment say what they leave out" >&2
		fi
	fi
fi
media=${S3CAM_MEDIA:-../shared/media}
[ -d "$media" ] || say "SKIPPED TESTS: no footage at $media; set S3CAM_MEDIA to a folder with it" >&2
say "ready"
