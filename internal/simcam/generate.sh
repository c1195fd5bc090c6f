#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the embedded clips of the simulated cameras anew: front-door.h264, front-door.aac and workshop.h264.
# Needs Go and an ffmpeg with libx264. Run it from anywhere; it writes beside itself.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/scene" ./scene

# One-second GOPs without scene cuts or B pictures, as a camera does it; SPS and PPS before each IDR; no SEI, so that
# the bytes hold nothing of the encoder's build.
for clip in front-door workshop; do
	"$work/scene" video "$clip" | ffmpeg -hide_banner -loglevel error -y \
		-f rawvideo -pixel_format rgba -video_size 640x360 -framerate 15 -i - \
		-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p -colorspace bt709 -color_range tv \
		-c:v libx264 -profile:v main -preset veryslow -crf "${CRF:-27}" -threads 1 \
		-x264-params keyint=15:min-keyint=15:scenecut=0:bframes=0:ref=1:aud=0:repeat-headers=1:force-cfr=1 \
		-bsf:v filter_units=remove_types=6 -f h264 "$clip.h264"
done

# ffmpeg's AAC encoder is one frame late, so frame 626 holds the first samples of the second round.
"$work/scene" audio | ffmpeg -hide_banner -loglevel error -y -f s16le -ar 32000 -ac 1 -i - \
	-c:a aac -b:a 32k -f adts "$work/loop.aac"
"$work/scene" cut 626 625 <"$work/loop.aac" >front-door.aac
ls -l front-door.h264 front-door.aac workshop.h264
