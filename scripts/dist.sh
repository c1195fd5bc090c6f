#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packs what a camera maker needs, one archive per kind of SoC: scripts/dist.sh [-o FOLDER] [TARGET...|all]
#
# FOLDER (default build/dist) then holds s3cam-device-VERSION-TARGET.tar.gz with the agent, the C library (compiled, and its source for
# the firmware's own toolchain), headers, examples, init scripts and a sample configuration; and SHA256SUMS over all of them.
# TARGET as in scripts/agent-build.sh. The same commit, toolchain and compilers give the same bytes. lib/musl is there when a
# compiler for musl is (x86_64-linux-musl-gcc, mipsel-linux-musl-gcc and the like).
set -eu

die() { printf 'dist: %s\n' "$*" >&2; exit 1; }
all=(mipsle arm5 arm7 arm64 amd64)
out=build/dist
if [ "${1:-}" = -o ]; then
	[ $# -ge 2 ] || die "-o wants a folder"
	out=$2
	shift 2
	case $out in /*) ;; *) out=$PWD/$out ;; esac
fi
cd "$(dirname "$0")/.."
if [ $# = 0 ] || [ "$1" = all ]; then set -- "${all[@]}"; fi

version=$(git describe --tags --always --dirty 2>/dev/null || echo devel)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)}"
export LC_ALL=C TZ=UTC
unset MAKEFLAGS MFLAGS MAKEOVERRIDES CFLAGS CPPFLAGS LDFLAGS CC AR CROSS_COMPILE

for t; do # all at once complain before anything is built
	case $t in
	mipsle) gnu=mipsel-linux-gnu ;;
	arm5) gnu=arm-linux-gnueabi ;;
	arm7) gnu=arm-linux-gnueabihf ;;
	arm64) gnu=aarch64-linux-gnu ;;
	amd64) gnu=x86_64-linux-gnu ;;
	*) die "no such target: $t (${all[*]}, or all)" ;;
	esac
	command -v "$gnu-gcc" >/dev/null || die "$gnu-gcc is missing; 'make deps' as root installs it on Debian and Ubuntu"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
scripts/agent-build.sh -o "$work/agent" "$@"
mkdir -p "$out"
rm -f "$out"/s3cam-device-*.tar.gz "$out/SHA256SUMS"

# library FOLDER MAKE-ARGUMENTS... compiles the C library in a copy of its source.
library() {
	local to=$1
	shift
	rm -rf "$work/csdk"
	cp -R csdk "$work/csdk"
	make -s -C "$work/csdk" clean >/dev/null
	make -s -C "$work/csdk" "$@"
	mkdir -p "$to"
	install -m 644 "$work/csdk/s3_hls.a" "$to/s3_hls.a"
}

for t; do
	case $t in
	mipsle) gnu=mipsel-linux-gnu musl=mipsel-linux-musl what="MIPS32 little endian (Ingenic T31 and its relatives)" ;;
	arm5) gnu=arm-linux-gnueabi musl=arm-linux-musleabi what="ARM without floating point unit" ;;
	arm7) gnu=arm-linux-gnueabihf musl=arm-linux-musleabihf what="ARMv7 (HiSilicon Hi3518EV300 and its relatives)" ;;
	arm64) gnu=aarch64-linux-gnu musl=aarch64-linux-musl what="ARMv8, 64 bit" ;;
	amd64) gnu=x86_64-linux-gnu musl=x86_64-linux-musl what="x86-64" ;;
	esac
	name=s3cam-device-$version-$t
	dir=$work/$name
	mkdir -p "$dir/bin" "$dir/doc" "$dir/include" "$dir/src" "$dir/examples" "$dir/etc/s3cam" "$dir/etc/init.d" "$dir/etc/systemd/system"
	install -m 755 "$work/agent/$t/s3cam-agent" "$dir/bin/s3cam-agent"
	library "$dir/lib" CROSS_COMPILE="$gnu-"
	if command -v "$musl-gcc" >/dev/null; then
		library "$dir/lib/musl" CC="$musl-gcc" AR="$gnu-ar"
	fi
	install -m 644 csdk/include/*.h "$dir/include/"
	install -m 644 csdk/src/* "$dir/src/"
	install -m 644 csdk/examples/*.[ch] "$dir/examples/"
	install -m 644 csdk/Makefile csdk/CMakeLists.txt csdk/s3_hls.pc.in LICENSE "$dir/"
	install -m 644 docs/guide/firmware.md docs/ref/agent.md "$dir/doc/"
	install -m 600 deploy/agent.conf "$dir/etc/s3cam/agent.conf"
	install -m 755 deploy/sysv/S80s3cam "$dir/etc/init.d/S80s3cam"
	install -m 755 deploy/openwrt/s3cam.init "$dir/etc/init.d/s3cam.openwrt"
	install -m 644 deploy/systemd/s3cam-agent.service "$dir/etc/systemd/system/s3cam-agent.service"
	sed -e "s|@VERSION@|$version|g" -e "s|@TARGET@|$t|g" -e "s|@WHAT@|$what|g" -e "s|@GNU@|$gnu|g" deploy/archive/README >"$dir/README"
	chmod 644 "$dir/README"
	find "$dir" -type d -exec chmod 755 {} +
	tar -C "$work" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" |
		gzip -9n >"$out/$name.tar.gz"
	printf 'dist: %s %s bytes\n' "$out/$name.tar.gz" "$(($(wc -c <"$out/$name.tar.gz")))"
done
(cd "$out" && sha256sum s3cam-device-*.tar.gz >SHA256SUMS)
printf 'dist: %s/SHA256SUMS\n' "$out"
