/* SPDX-License-Identifier: Apache-2.0
 * The peer of bench/mux.go: libavformat's MPEG-TS muxer in process, one muxer per 3 s segment, on the same frames in memory.
 * usage: mux PACK PASSES   prints the bytes written per pass. The pack format is described in pack.go. */
#include <libavformat/avformat.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *out;
static size_t out_size, written;

static int sink(void *opaque, uint8_t *buf, int n) {
	(void)opaque;
	if (written % out_size + (size_t)n <= out_size) memcpy(out + written % out_size, buf, (size_t)n);
	written += (size_t)n;
	return n;
}

static AVFormatContext *open_segment(void) {
	AVFormatContext *c = NULL;
	if (avformat_alloc_output_context2(&c, NULL, "mpegts", NULL) < 0) exit(1);
	c->pb = avio_alloc_context(av_malloc(65536), 65536, 1, NULL, NULL, sink, NULL);
	c->flags |= AVFMT_FLAG_CUSTOM_IO;
	AVStream *v = avformat_new_stream(c, NULL), *a = avformat_new_stream(c, NULL);
	v->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
	v->codecpar->codec_id = AV_CODEC_ID_H264;
	a->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
	a->codecpar->codec_id = AV_CODEC_ID_AAC;
	a->codecpar->sample_rate = 44100; /* asked for, not written */
	v->time_base = a->time_base = (AVRational){1, 90000};
	if (avformat_write_header(c, NULL) < 0) exit(1);
	return c;
}

static void close_segment(AVFormatContext *c) {
	if (!c) return;
	av_write_trailer(c);
	av_free(c->pb->buffer);
	avio_context_free(&c->pb);
	avformat_free_context(c);
}

int main(int argc, char **argv) {
	if (argc != 3) return fprintf(stderr, "usage: mux PACK PASSES\n"), 2;
	FILE *f = fopen(argv[1], "rb");
	if (!f) return perror(argv[1]), 1;
	fseek(f, 0, SEEK_END);
	size_t size = (size_t)ftell(f);
	rewind(f);
	uint8_t *pack = malloc(size);
	if (!pack || fread(pack, 1, size, f) != size) return 1;
	fclose(f);
	out = malloc(out_size = 8 << 20);
	av_log_set_level(AV_LOG_ERROR);
	AVPacket *p = av_packet_alloc();
	for (int pass = atoi(argv[2]); pass > 0; pass--) {
		AVFormatContext *c = NULL;
		int64_t began = 0;
		written = 0;
		for (size_t at = 0; at + 16 <= size;) {
			uint32_t n, flags;
			int64_t pts;
			memcpy(&n, pack + at, 4), memcpy(&flags, pack + at + 4, 4), memcpy(&pts, pack + at + 8, 8);
			if ((flags & 2) && (!c || pts - began >= 270000)) {
				close_segment(c);
				c = open_segment();
				began = pts;
			}
			av_packet_unref(p);
			p->data = pack + at + 16;
			p->size = (int)n;
			p->pts = p->dts = pts;
			p->stream_index = flags & 1;
			p->flags = flags & 2 || flags & 1 ? AV_PKT_FLAG_KEY : 0;
			if (av_write_frame(c, p) < 0) return 1;
			at += 16 + n;
		}
		close_segment(c);
	}
	printf("%zu\n", written);
	return 0;
}
