#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the container image of the server: scripts/container.sh [NAME], default s3cam. The program is built here, so that the image needs no other
# one, nor a network: it holds the program, the certificates of the authorities that this machine trusts, and an empty /data.
#
# Environment: GO       the go command
#              BUILDER  podman, buildah or docker; default: the first of them that works
#              FLAGS    more flags for it, such as --isolation=chroot for buildah in a container of its own
#              GOARCH   the processor: amd64 (this machine's by default), arm64, ...
#              ROOTS    the authorities' certificates (PEM); default: where Debian, Fedora or Alpine have them
set -eu
cd "$(dirname "$0")/.."
die() { printf 'container: %s\n' "$*" >&2; exit 1; }
name=${1:-s3cam}
go=${GO:-go}
export GOTOOLCHAIN="${GOTOOLCHAIN:-$(sed -n 's/^toolchain //p' go.mod)}" # it has the fixes of the standard library

builder=${BUILDER:-}
if [ -z "$builder" ]; then
	for b in podman buildah docker; do
		if command -v $b >/dev/null && $b info >/dev/null 2>&1; then builder=$b && break; fi
	done
	[ -n "$builder" ] || die "neither podman, buildah nor docker works here; install one of them"
fi
roots=${ROOTS:-}
if [ -z "$roots" ]; then
	for f in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
		if [ -f $f ]; then roots=$f && break; fi
	done
fi
[ -f "$roots" ] || die "no certificates of authorities found (package ca-certificates); name a file with ROOTS=FILE"

# What the image holds, and nothing else: a directory of its own is the builder's context.
context=build/container
rm -rf $context
mkdir -p $context/etc/ssl/certs
mkdir -m 700 $context/data
CGO_ENABLED=0 GOOS=linux $go build -trimpath -ldflags='-s -w' -o $context/s3cam ./cmd/s3cam
cp "$roots" $context/etc/ssl/certs/ca-certificates.crt
echo 's3cam:x:65532:65532:s3cam:/data:/sbin/nologin' >$context/etc/passwd
echo 's3cam:x:65532:' >$context/etc/group
chmod 755 $context/s3cam
chmod 644 $context/etc/passwd $context/etc/group $context/etc/ssl/certs/ca-certificates.crt

flags=()
case $(basename "$builder") in
docker) ;;
*) flags+=(--format docker) ;; # the form that keeps the health check
esac
# shellcheck disable=SC2086
"$builder" build ${flags[@]+"${flags[@]}"} ${FLAGS:-} --platform "linux/$($go env GOARCH)" -t "$name" -f deploy/container/Containerfile $context
