#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the s3cam-agent of one or more kinds of SoC: scripts/agent-build.sh [-o FOLDER] TARGET...|all
#
#   mipsle  MIPS32 little endian, software floating point (Ingenic T31 and its relatives)
#   arm5    ARM without a floating point unit
#   arm7    ARMv7 and newer, 32 bit (HiSilicon Hi3518EV300 and its relatives)
#   arm64   ARMv8, 64 bit
#   amd64   for a gateway or a bench
#   386     32 bit on an x86 machine, for measurements only; not part of "all"
#
# Each goes to FOLDER/TARGET/s3cam-agent (default build/TARGET/s3cam-agent): static, stripped, the same bytes for the same source
# and toolchain wherever it is built. What is special about the build, and why, is in docs/design/device.md:
#
# - One file of the toolchain is replaced by a patched copy (-overlay), generated here from the toolchain in use. As it is, each
#   program with TLS declares a 32 MiB buffer for FIPS mode that is never used otherwise, and kernels before 5.2 may refuse to start it.
#   When the toolchain no longer has the lines to patch, the build stops and says so.
# - Inlining is off but for the packages that bytes of video pass through: a tenth less flash at nearly the same speed.
#
# Environment: GO (the go command), S3CAM_OVERLAY=none (see the error message that mentions it).
set -eu

all=(mipsle arm5 arm7 arm64 amd64)
go=${GO:-go}
out=build
die() { printf 'agent-build: %s\n' "$*" >&2; exit 1; }
usage() {
	sed -n '3,11s/^# \{0,1\}//p' "$here" >&2
	exit 2
}
here=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")

if [ "${1:-}" = -o ]; then
	[ $# -ge 2 ] || usage
	out=$2
	shift 2
	case $out in /*) ;; *) out=$PWD/$out ;; esac
fi
[ $# -gt 0 ] || usage
args=()
for t; do
	if [ "$t" = all ]; then args+=("${all[@]}"); else args+=("$t"); fi
done
set -- "${args[@]}"
cd "$(dirname "$here")/.."
for t; do
	case " ${all[*]} 386 " in *" $t "*) ;; *) printf 'agent-build: no such target: %s\n' "$t" >&2 && usage ;; esac
done

# What the caller's environment may say otherwise and changes the bytes.
unset GOFLAGS GOEXPERIMENT GOFIPS140 GODEBUG GOMIPS GOARM GOARM64 GOAMD64 GO386 GOCOVERDIR
export CGO_ENABLED=0 GOOS=linux GOENV=off GOWORK=off

# overlay writes the patched file and the list that -overlay reads. The pattern is the one of Go 1.26.
overlay() {
	root=$($go env GOROOT)
	f=src/crypto/internal/fips140/drbg/entropy_fips140.go
	dir=build/overlay
	mkdir -p "$dir"
	tmp=$(mktemp "$dir/patch.XXXXXX")
	if [ -f "$root/$f" ]; then
		sed -e 's/^var memory entropy\.ScratchBuffer$/var memory *entropy.ScratchBuffer\n\nfunc scratch() *entropy.ScratchBuffer {\n\tif memory == nil {\n\t\tmemory = new(entropy.ScratchBuffer)\n\t}\n\treturn memory\n}/' \
			-e 's/entropy\.Seed(&memory)/entropy.Seed(scratch())/' "$root/$f" >"$tmp"
	fi
	if [ "$(grep -c '^var memory \*entropy\.ScratchBuffer$' "$tmp")" != 1 ] || ! grep -q 'entropy\.Seed(scratch())' "$tmp" ||
		grep -q '&memory' "$tmp"; then
		rm -f "$tmp"
		die "$($go version) differs from what this script knows how to patch: no 'var memory entropy.ScratchBuffer' used as
expected in $root/$f.
Look at that file. If the buffer of 32 MiB is no longer a global variable, build with S3CAM_OVERLAY=none and see that
'go test ./test/size' still passes (.noptrbss below 1 MiB). If it is, teach this script the new lines, or use Go 1.26."
	fi
	# Moved into place only when it differs: other builds may be reading the same two files at this moment.
	place "$tmp" "$dir/entropy_fips140.go"
	tmp=$(mktemp "$dir/list.XXXXXX")
	printf '{"Replace":{"%s":"%s"}}\n' "$root/$f" "$dir/entropy_fips140.go" >"$tmp"
	place "$tmp" "$dir/overlay.json"
	flags+=(-overlay "$dir/overlay.json")
}
place() { if cmp -s "$1" "$2"; then rm -f "$1"; else chmod 644 "$1" && mv -f "$1" "$2"; fi; }

ours=github.com/s3cam/s3cam
flags=(-trimpath -ldflags "-s -w")
case ${S3CAM_OVERLAY:-} in
"") overlay ;;
none) printf 'agent-build: without the patch for the 32 MiB of .bss, as S3CAM_OVERLAY=none asks\n' >&2 ;;
*) die "S3CAM_OVERLAY is '$S3CAM_OVERLAY'; it may only be 'none'" ;;
esac
# Later patterns win. internal/byteorder belongs to them: a package compiled with -l has no bodies to inline elsewhere.
flags+=(-gcflags=all=-l)
for p in crypto/... vendor/golang.org/x/crypto/... math/bits hash/crc32 internal/byteorder \
	"$ours"/{mpegts,uploader,internal/{wire,h264,aac,sigv4,http1,s3put}}; do
	flags+=("-gcflags=$p=")
done
# Without a repository that git reads, go would refuse to build; the program then does not know its commit.
git rev-parse HEAD >/dev/null 2>&1 || flags+=(-buildvcs=false)

for t; do
	unset GOMIPS GOARM GOARM64 GOAMD64 GO386
	case $t in
	mipsle) export GOARCH=mipsle GOMIPS=softfloat ;;
	arm5) export GOARCH=arm GOARM=5 ;;
	arm7) export GOARCH=arm GOARM=7 ;;
	arm64) export GOARCH=arm64 GOARM64=v8.0 ;;
	amd64) export GOARCH=amd64 GOAMD64=v1 ;;
	386) export GOARCH=386 GO386=sse2 ;;
	esac
	mkdir -p "$out/$t"
	$go build "${flags[@]}" -o "$out/$t/.new.$$" ./cmd/s3cam-agent || { rm -f "$out/$t/.new.$$"; exit 1; }
	mv -f "$out/$t/.new.$$" "$out/$t/s3cam-agent" # at once: somebody may be running the old one
	printf 'agent-build: %s/%s/s3cam-agent %s bytes\n' "$out" "$t" "$(($(wc -c <"$out/$t/s3cam-agent")))"
done
