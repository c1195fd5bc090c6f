#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the program of the AWS Lambda functions and packs it: scripts/lambda-build.sh [-o FOLDER] [arm64|x86_64]...
#
# FOLDER (default build/lambda) then holds s3cam-lambda-arm64.zip and s3cam-lambda-x86_64.zip, each with `bootstrap` for the
# runtime provided.al2023 and LICENSE; and SHA256SUMS. The same source and toolchain give the same bytes. Only Go is needed.
#
# What is special about the build keeps a zip below 4 MB, with which a function starts faster and deploys over a slow line:
#
# - lambda.norpc leaves out the interface of the go1.x runtime, nethttpomithttp2 HTTP/2, which neither S3 nor DynamoDB speaks.
# - Inlining is off but for our own packages and those that most of the time is spent in: signing, hashing, compressing, maps.
# - The zip is compressed by lambda-deflate.go, which takes its time.
#
# Environment: GO  the go command; GOTOOLCHAIN  another release than go.mod names (local: the one that is installed)
set -eu

die() { printf 'lambda-build: %s\n' "$*" >&2; exit 1; }
go=${GO:-go}
out=build/lambda
if [ "${1:-}" = -o ]; then
	[ $# -ge 2 ] || die "-o wants a folder"
	out=$2
	shift 2
	case $out in /*) ;; *) out=$PWD/$out ;; esac
fi
cd "$(dirname "$0")/.."
# The release that go.mod names, whatever the machine's default is: it has the fixes of the standard library, and the bytes depend on it.
export GOTOOLCHAIN="${GOTOOLCHAIN:-$(sed -n 's/^toolchain //p' go.mod)}"
"$go" version >/dev/null || die "$GOTOOLCHAIN cannot be had: see the message above, or choose another by GOTOOLCHAIN=local"
[ $# -gt 0 ] || set -- arm64 x86_64
for a; do
	case $a in arm64 | x86_64) ;; *) die "no such architecture: $a (arm64 or x86_64, as Lambda names them)" ;; esac
done

ours=github.com/s3cam/s3cam
fips=crypto/internal/fips140
# A package compiled with -l has no bodies to inline elsewhere, so what these call in their loops is listed too.
inline=(internal/runtime/... internal/byteorder crypto/internal/fips140deps/byteorder "$fips"/{sha256,subtle,bigmod,aes,aes/gcm}
	math/bits hash/crc32 hash/crc64 bytes strings strconv internal/strconv unicode/utf8 encoding/base64
	github.com/klauspost/compress/... "$ours/...")
build=(-tags 'lambda.norpc,nethttpomithttp2' -trimpath -ldflags '-s -w' -gcflags=all=-l)
for p in "${inline[@]}"; do build+=("-gcflags=$p="); done # later patterns win
# Without a repository that git reads, go would refuse to build; the program then does not know its commit.
git rev-parse HEAD >/dev/null 2>&1 || build+=(-buildvcs=false)

mkdir -p "$out"
work=$(mktemp -d "$out/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT
unset GOAMD64 GOARM64 GOEXPERIMENT
$go build -o "$work/pack" scripts/lambda-zip.go scripts/lambda-deflate.go
for a; do
	case $a in arm64) arch=arm64 ;; x86_64) arch=amd64 ;; esac
	CGO_ENABLED=0 GOOS=linux GOARCH=$arch $go build "${build[@]}" -o "$work/bootstrap" ./cmd/s3cam-lambda
	"$work/pack" "$work/zip" "$work/bootstrap" LICENSE
	mv -f "$work/zip" "$out/s3cam-lambda-$a.zip" # at once: somebody may be reading the old one
	printf 'lambda-build: %s/s3cam-lambda-%s.zip %s bytes\n' "$out" "$a" "$(($(wc -c <"$out/s3cam-lambda-$a.zip")))"
done
(cd "$out" && sha256sum s3cam-lambda-*.zip >SHA256SUMS)
