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
# and toolchain wherever it is built. What is special about the build, and why, with figures, is in docs/design/device.md:
#
# - Some files of the toolchain are replaced by patched copies, made here from the toolchain in use: a 32 MiB buffer that is declared and
#   never used, log/slog's default handler (it brings encoding/json), the linker's tables of line numbers, first sizes of the garbage
#   collector's lists, and what a camera's TLS client never uses (agent-crypto.sh). When the toolchain has not the lines to patch, the build stops and says so.
# - Inlining is off but for the packages that bytes of video pass through.
#
# scripts/agent-build.sh test ARGUMENTS runs `go test` on this machine with the same compiler flags.
#
# Environment: GO           the go command
#              GOTOOLCHAIN  another release than go.mod names; local: the one that is installed
#              S3CAM_LINES=keep    keep symbols and line numbers: addresses are those of the shipped program, so this one explains its panics
#              S3CAM_OVERLAY=none  patch nothing, for a toolchain that differs; see the error message that mentions it
set -eu

all=(mipsle arm5 arm7 arm64 amd64)
go=${GO:-go}
out=build
die() { printf 'agent-build: %s\n' "$*" >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
usage() {
	sed -n '3,11s/^# \{0,1\}//p' "$here" >&2
	exit 2
}

# Packages that are compiled with inlining: those that each byte passes (cipher, checksum, muxer, reading from the shim), what handshakes
# spend their time in, and the uploader, whose frame path would otherwise allocate. internal/byteorder and the like belong to them:
# a package compiled with -l has no bodies to inline elsewhere.
ours=github.com/s3cam/s3cam
fips=crypto/internal/fips140
inline=(vendor/golang.org/x/crypto/{chacha20,internal/poly1305,chacha20poly1305} "$fips"/{aes,aes/gcm,sha256,subtle,bigmod,edwards25519/field}
	crypto/internal/fips140deps/byteorder math/bits hash/crc32 internal/byteorder "$ours"/{mpegts,uploader,internal/{h264,wire}})
gcflags=("-gcflags=all=-l -d=noopendefer -d=variablemakethreshold=0") # later patterns win
for p in "${inline[@]}"; do gcflags+=("-gcflags=$p="); done

if [ "${1:-}" = test ]; then
	shift
	exec "$go" test "${gcflags[@]}" "$@"
fi
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
for t; do
	case " ${all[*]} 386 " in *" $t "*) ;; *) printf 'agent-build: no such target: %s\n' "$t" >&2 && usage ;; esac
done
cd "$(dirname "$here")/.."
# The release that go.mod names, whatever the machine's default is: it has the fixes of the standard library, and the bytes depend on it.
export GOTOOLCHAIN="${GOTOOLCHAIN:-$(sed -n 's/^toolchain //p' go.mod)}"
"$go" version >/dev/null || die "$GOTOOLCHAIN cannot be had: see the message above, or choose another by GOTOOLCHAIN=local"

# What the caller's environment may say otherwise and changes the bytes.
unset GOFLAGS GOEXPERIMENT GOFIPS140 GODEBUG GOMIPS GOARM GOARM64 GOAMD64 GO386 GOCOVERDIR GOOS GOARCH
export CGO_ENABLED=0 GOENV=off GOWORK=off
dir=build/_overlay # go does not look for packages in folders that begin with _
mkdir -p "$dir"
root=$($go env GOROOT)
case $root/ in "$($go env GOMODCACHE)"/*)
	# A toolchain that the go command has downloaded. Its files may not be replaced where they are, so it is used by another name.
	ln -sfn "$root" build/_toolchain.$$ && mv -fT build/_toolchain.$$ build/_toolchain
	root=$PWD/build/_toolchain
	export GOROOT=$root GOTOOLCHAIN=local
	go=$root/bin/go
	;;
esac

# place moves a file only when it differs: other builds may be reading the old one at this moment.
place() { if cmp -s "$1" "$2"; then rm -f "$1"; else chmod "$3" "$1" && mv -f "$1" "$2"; fi; }

# patch FILE -N+M/SUM SED... makes a patched copy of a file of the toolchain, in which exactly N of its lines are gone and M are new (a line that
# is changed counts as both), and which they are: SUM is the cksum of these lines as diff shows them.
patch() {
	local file=$1 lines=$2 copy tmp differ
	shift 2
	copy=$dir/$(echo "$file" | tr / -)
	tmp=$(mktemp "$dir/patch.XXXXXX")
	differ="no such file"
	if [ -f "$root/$file" ]; then
		sed "$@" "$root/$file" >"$tmp"
		differ=$(diff "$root/$file" "$tmp" | awk '/^</ { n++ } /^>/ { m++ } END { printf "-%d+%d/", n, m }')
		differ+=$(diff "$root/$file" "$tmp" | grep '^[<>]' | cksum | cut -d ' ' -f 1) || true
	fi
	if [ "$differ" != "$lines" ]; then
		rm -f "$tmp"
		die "$($go version) differs from what this script knows how to patch (Go 1.26): lines $differ instead of $lines of
$root/$file
Look at that file and teach this script the new lines, or use Go 1.26. Or build with S3CAM_OVERLAY=none and see what
'go test ./test/size' says then: sizes, and .noptrbss, which some kernels before 5.2 make the difference between starting and not."
	fi
	place "$tmp" "$copy" 644
	replace+=("\"$root/$file\":\"$copy\"")
}
# overlay NAME writes the list of what was patched since the last call, as -overlay reads it.
overlay() {
	local tmp
	tmp=$(mktemp "$dir/list.XXXXXX")
	(IFS=,; printf '{"Replace":{%s}}\n' "${replace[*]}") >"$tmp"
	place "$tmp" "$dir/$1.json" 644
	replace=()
}

build=(-trimpath)
replace=()
case ${S3CAM_OVERLAY:-} in
"")
	# The scratch buffer of FIPS mode becomes one that is allocated at first use.
	patch src/crypto/internal/fips140/drbg/entropy_fips140.go -3+10/3822187016 \
		-e 's/^var memory entropy\.ScratchBuffer$/var memory *entropy.ScratchBuffer\n\nfunc scratch() *entropy.ScratchBuffer {\n\tif memory == nil {\n\t\tmemory = new(entropy.ScratchBuffer)\n\t}\n\treturn memory\n}/' \
		-e 's/entropy\.Seed(&memory)/entropy.Seed(scratch())/'
	# slog.Default discards; the agent makes its own logger.
	patch src/log/slog/logger.go -2+1/4064912711 \
		-e 's/^\tdefaultLogger\.Store(New(newDefaultHandler(loginternal\.DefaultOutput)))$/\tdefaultLogger.Store(New(DiscardHandler))/' \
		-e '/^\tloginternal "log\/internal"$/d'
	# Lists of the garbage collector that begin at a size for heaps of a gigabyte; half a megabyte of pages with a few bytes in each. They grow
	# when they have to.
	patch src/runtime/mspanset.go -2+2/2676138391 \
		-e 's/^\tspanSetBlockEntries = 512 .*/\tspanSetBlockEntries = 32/' -e 's/^\tspanSetInitSpineCap = 256 .*/\tspanSetInitSpineCap = 16/'
	patch src/runtime/mheap.go -1+1/1075917164 -e 's/^const gcBitsChunkBytes = uintptr(64 << 10)$/const gcBitsChunkBytes = uintptr(8 << 10)/'
	# shellcheck source=scripts/agent-crypto.sh
	. scripts/agent-crypto.sh
	overlay std
	build+=(-overlay "$dir/std.json")
	if [ -z "${S3CAM_LINES:-}" ]; then
		# A linker that leaves out which line and file each instruction comes from. Panics then name functions and offsets.
		patch src/cmd/link/internal/ld/pcln.go -3+4/3377783345 \
			-e 's/^\t\tpcSyms := \[\]loader\.Sym{pcsp, pcfile, pcline}$/\t\tpcSyms, _, _ := []loader.Sym{pcsp}, pcfile, pcline/' \
			-e 's/^\(\t\t\toff = sb\.SetUint32(ctxt\.Arch, off, uint32(\)ldr\.SymValue(pc\(file\|line\))))$/\10*pc\2))/' \
			-e 's/^func walkFilenames(.*) {$/&\n\treturn/'
		overlay link
		tool=$(mktemp -d "$dir/link.XXXXXX")
		trap 'rm -rf "$tool"' EXIT
		$go build -trimpath -overlay "$dir/link.json" -o "$tool/link" cmd/link
		# shellcheck disable=SC2016
		printf '#!/bin/sh\ncase $1 in */link) shift; exec "${0%%/*}/link" "$@" ;; esac\nexec "$@"\n' >"$tool/exec"
		chmod 755 "$tool/exec"
		build+=(-toolexec "$PWD/$tool/exec")
	fi
	;;
none) printf 'agent-build: patching nothing, as S3CAM_OVERLAY=none asks\n' >&2 ;;
*) die "S3CAM_OVERLAY is '$S3CAM_OVERLAY'; it may only be 'none'" ;;
esac
case ${S3CAM_LINES:-} in
"") strip="-s -w" ;;
keep) strip= ;;
*) die "S3CAM_LINES is '$S3CAM_LINES'; it may only be 'keep'" ;;
esac
# Without a repository that git reads, go would refuse to build; the program then does not know its commit.
git rev-parse HEAD >/dev/null 2>&1 || build+=(-buildvcs=false)

export GOOS=linux
for t; do
	unset GOMIPS GOARM GOARM64 GOAMD64 GO386
	ld=$strip
	# -R: the largest pages of kernels for the processor, which the parts of the file must not share: 4 KiB on 32-bit ARM, 16 KiB on
	# MIPS. Go aligns for 64 KiB. -funcalign: Go aligns functions to 32 bytes on amd64; 16 is what the processors' makers ask for.
	case $t in
	mipsle) export GOARCH=mipsle GOMIPS=softfloat && ld+=" -R 16384" ;;
	arm5) export GOARCH=arm GOARM=5 && ld+=" -R 4096" ;;
	arm7) export GOARCH=arm GOARM=7 && ld+=" -R 4096" ;;
	arm64) export GOARCH=arm64 GOARM64=v8.0 ;;
	amd64) export GOARCH=amd64 GOAMD64=v1 && ld+=" -funcalign=16" ;;
	386) export GOARCH=386 GO386=sse2 ;;
	esac
	mkdir -p "$out/$t"
	$go build "${build[@]}" "${gcflags[@]}" -ldflags "$ld" -o "$out/$t/.new.$$" ./cmd/s3cam-agent || { rm -f "$out/$t/.new.$$"; exit 1; }
	mv -f "$out/$t/.new.$$" "$out/$t/s3cam-agent" # at once: somebody may be running the old one
	printf 'agent-build: %s/%s/s3cam-agent %s bytes\n' "$out" "$t" "$(($(wc -c <"$out/$t/s3cam-agent")))"
done
