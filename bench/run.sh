#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the bench program and its libavformat peer and runs the whole report: make bench
set -eu
cd "$(dirname "$0")"
dir=../build/bench
mkdir -p "$dir"
go build -o "$dir/bench" .
libav=
if pkg-config --exists libavformat 2>/dev/null; then
	# shellcheck disable=SC2046
	gcc -O2 -Wall -o "$dir/libavmux" libav/mux.c $(pkg-config --cflags --libs libavformat libavcodec libavutil)
	libav=$dir/libavmux
fi
exec "$dir/bench" -dir "$dir" -libav "$libav" "$@"
