#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the bench program, its libavformat peer and s3cam, and runs the report: make bench. One part of it: run.sh -part serve
set -eu
cd "$(dirname "$0")"
dir=../build/bench
PATH=$PATH:/usr/sbin # nginx on Debian
mkdir -p "$dir"
go build -o "$dir/bench" .
(cd .. && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o build/bench/s3cam ./cmd/s3cam)
case $(go env GOARCH) in amd64) arch=x86_64 ;; *) arch=arm64 ;; esac
../scripts/lambda-build.sh -o "$PWD/$dir" "$arch" >/dev/null
(cd .. && CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -ldflags "-s -w" -o build/bench/bootstrap-plain ./cmd/s3cam-lambda)
libav=
if pkg-config --exists libavformat 2>/dev/null; then
	# shellcheck disable=SC2046
	gcc -O2 -Wall -o "$dir/libavmux" libav/mux.c $(pkg-config --cflags --libs libavformat libavcodec libavutil)
	libav=$dir/libavmux
fi
exec "$dir/bench" -dir "$dir" -libav "$libav" -s3cam "$dir/s3cam" \
	-lambda "$dir/s3cam-lambda-$arch.zip" -lambda-plain "$dir/bootstrap-plain" "$@"
