/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "encoder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_RING (512u * 1024u)
#define GUARD 16u /* bytes of rubbish between the parts of ENCODER_SPLIT_RANDOM */

typedef struct {
	uint8_t *data;
	size_t size;
	size_t pos; /* next byte that was not handed out */
} file;

struct encoder {
	encoder_options o;
	file video, audio;
	uint8_t *ring;
	size_t ring_size, ring_pos;
	uint64_t pictures, audio_us;
	uint64_t audio_samples; /* handed out, in samples of audio_rate */
	uint32_t audio_rate;
	unsigned loop;
	uint32_t random;
	struct timespec begin;
	int begun;
};

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

static int read_file(file *f, const char *path)
{
	FILE *in = fopen(path, "rb");
	long size = -1;

	if (in != NULL && fseek(in, 0, SEEK_END) == 0)
		size = ftell(in);
	if (size > 0 && fseek(in, 0, SEEK_SET) == 0) {
		f->data = malloc((size_t)size);
		f->size = (size_t)size;
		if (f->data != NULL && fread(f->data, 1, f->size, in) == f->size) {
			fclose(in);
			return 0;
		}
	}
	fprintf(stderr, "error: %s: %s\n", path, size == 0 ? "the file is empty" : strerror(errno));
	if (in != NULL)
		fclose(in);
	return -1;
}

/* Offset of the next 00 00 01 at or after pos, or size. */
static size_t find_code(const file *f, size_t pos)
{
	while (pos + 3 <= f->size) {
		if (f->data[pos + 2] > 1)
			pos += 3;
		else if (f->data[pos] == 0 && f->data[pos + 1] == 0 && f->data[pos + 2] == 1)
			return pos;
		else
			pos++;
	}
	return f->size;
}

typedef struct {
	size_t start, body, end; /* of the start code, of the NAL header, of the unit */
	unsigned type;
	int first_slice; /* first_mb_in_slice is 0 */
} nal;

/* The unit whose start code begins at pos. A zero byte in front of the next start code belongs to that one. */
static int next_nal(const file *f, size_t pos, nal *n)
{
	size_t code = find_code(f, pos);

	if (code + 3 >= f->size)
		return 0;
	n->start = pos;
	n->body = code + 3;
	n->end = find_code(f, n->body);
	if (n->end < f->size && f->data[n->end - 1] == 0)
		n->end--;
	n->type = f->data[n->body] & 31u;
	n->first_slice = n->body + 1 < n->end && (f->data[n->body + 1] & 0x80) != 0;
	return 1;
}

static int is_slice(const nal *n) { return n->type >= 1 && n->type <= 5; }

static int begins_picture(const nal *n)
{
	if (is_slice(n))
		return n->type == 1 || n->type == 2 || n->type == 5 ? n->first_slice : 0;
	return (n->type >= 6 && n->type <= 9) || (n->type >= 14 && n->type <= 18);
}

/* ---- sound ---------------------------------------------------------------------------------------------------------------- */

static size_t adts_length(const uint8_t *p, size_t n)
{
	size_t length;

	if (n < 7 || p[0] != 0xff || (p[1] & 0xf6) != 0xf0)
		return 0;
	length = (size_t)(p[3] & 3u) << 11 | (size_t)p[4] << 3 | (size_t)(p[5] >> 5);
	return length >= 7 && length <= n ? length : 0;
}

/* Finds the next whole ADTS frame, over ID3 tags and rubbish. Returns its length, 0 at the end. */
static size_t next_adts(file *f)
{
	for (; f->pos + 7 <= f->size; f->pos++) {
		size_t length = adts_length(f->data + f->pos, f->size - f->pos);
		size_t after = f->pos + length;

		/* A sync word inside an ID3 tag or a frame is only believed when another frame or the end follows. */
		if (length != 0 && (after == f->size || f->size - after < 7 || adts_length(f->data + after, 7) != 0 ||
		                    (f->data[after] == 0xff && (f->data[after + 1] & 0xf6) == 0xf0) || memcmp(f->data + after, "ID3", 3) == 0))
			return length;
	}
	return 0;
}

static uint32_t adts_rate(const uint8_t *p)
{
	static const uint32_t rates[16] = {96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350};
	uint32_t rate = rates[(p[2] >> 2) & 15];

	return rate != 0 ? rate : 48000;
}

/* ---- the ring ------------------------------------------------------------------------------------------------------------- */

static uint32_t next_random(encoder *e)
{
	e->random ^= e->random << 13; /* xorshift32 */
	e->random ^= e->random >> 17;
	e->random ^= e->random << 5;
	return e->random;
}

static int grow_ring(encoder *e, size_t need)
{
	uint8_t *p;

	need = need * 2 + 2 * ENCODER_MAX_PACKS * GUARD;
	if (need <= e->ring_size)
		return 0;
	p = realloc(e->ring, need);
	if (p == NULL) {
		fprintf(stderr, "error: no memory for the encoder's ring of %lu bytes\n", (unsigned long)need);
		return -1;
	}
	e->ring = p;
	e->ring_size = need;
	e->ring_pos = 0;
	return 0;
}

/* Writes n bytes to the ring and appends them to the pack. */
static void emit(encoder *e, encoder_pack *pack, const uint8_t *data, size_t n)
{
	while (n > 0) {
		size_t room = e->ring_size - e->ring_pos;
		size_t now = n < room ? n : room;
		unsigned i = pack->part[1] != NULL || (pack->part[0] != NULL && e->ring_pos == 0) ? 1 : 0;

		if (pack->part[i] == NULL)
			pack->part[i] = e->ring + e->ring_pos;
		memcpy(e->ring + e->ring_pos, data, now);
		pack->length[i] += (uint32_t)now;
		e->ring_pos = (e->ring_pos + now) % e->ring_size;
		data += now;
		n -= now;
	}
}

/* Moves the second half of a pack away from the first. The ring has room for the picture twice. */
static void split_random(encoder *e, encoder_pack *pack)
{
	uint32_t total = pack->length[0], cut;

	if (total < 2 || next_random(e) % 8 == 0)
		return;
	/* Half of the cuts are near the front, where start code and NAL header are. */
	cut = next_random(e) % 2 != 0 && total > 8 ? 1 + next_random(e) % 8 : 1 + next_random(e) % (total - 1);
	memmove(pack->part[0] + cut + GUARD, pack->part[0] + cut, total - cut);
	memset(pack->part[0] + cut, 0xee, GUARD);
	pack->length[0] = cut;
	pack->part[1] = pack->part[0] + cut + GUARD;
	pack->length[1] = total - cut;
	e->ring_pos += GUARD;
}

static encoder_pack *next_pack(encoder *e, encoder_frame *frame)
{
	encoder_pack *pack;
	unsigned most = e->o.max_packs != 0 && e->o.max_packs < ENCODER_MAX_PACKS ? e->o.max_packs : ENCODER_MAX_PACKS;

	if (frame->count == most)
		return &frame->pack[most - 1];
	if (frame->count > 0 && e->o.split == ENCODER_SPLIT_RANDOM)
		split_random(e, &frame->pack[frame->count - 1]);
	pack = &frame->pack[frame->count++];
	memset(pack, 0, sizeof *pack);
	return pack;
}

static int begin_frame(encoder *e, encoder_frame *frame, size_t need)
{
	memset(frame, 0, sizeof *frame);
	if (grow_ring(e, need) != 0)
		return -1;
	if (e->o.split != ENCODER_SPLIT_RING && e->ring_size - e->ring_pos < need + (ENCODER_MAX_PACKS + 1) * GUARD)
		e->ring_pos = 0;
	return 0;
}

static void end_frame(encoder *e, encoder_frame *frame)
{
	if (frame->count > 0 && e->o.split == ENCODER_SPLIT_RANDOM)
		split_random(e, &frame->pack[frame->count - 1]);
}

/* ---- pictures ------------------------------------------------------------------------------------------------------------- */

static int next_picture(encoder *e, encoder_frame *frame)
{
	static const uint8_t code[4] = {0, 0, 0, 1};
	file *f = &e->video;
	size_t end = f->pos, need = 0;
	int have_slice = 0;
	nal n;

	while (end < f->size && next_nal(f, end, &n)) {
		if (have_slice && begins_picture(&n))
			break;
		have_slice |= is_slice(&n);
		need += n.end - n.start + 4;
		end = n.end;
	}
	if (end == f->pos)
		return 0;
	if (begin_frame(e, frame, need) != 0)
		return 0;
	while (f->pos < end && next_nal(f, f->pos, &n)) {
		encoder_pack *pack;

		f->pos = n.end;
		if (n.type == 9 && e->o.drop_aud)
			continue;
		frame->is_idr |= n.type == 5;
		pack = next_pack(e, frame);
		if (e->o.start_code == 3 || e->o.start_code == 4) {
			emit(e, pack, code + 4 - e->o.start_code, (size_t)e->o.start_code);
			n.start = n.body;
		}
		emit(e, pack, f->data + n.start, n.end - n.start);
	}
	end_frame(e, frame);
	frame->timestamp_us = e->o.start_us + (uint64_t)((double)e->pictures * 1e6 / e->o.fps + 0.5);
	e->pictures++;
	return 1;
}

static int next_sound(encoder *e, encoder_frame *frame)
{
	size_t length = next_adts(&e->audio);

	if (length == 0 || begin_frame(e, frame, length) != 0)
		return 0;
	emit(e, next_pack(e, frame), e->audio.data + e->audio.pos, length);
	end_frame(e, frame);
	e->audio_rate = adts_rate(e->audio.data + e->audio.pos);
	e->audio.pos += length;
	frame->is_audio = 1;
	frame->timestamp_us = e->audio_us;
	e->audio_samples += 1024;
	e->audio_us = e->o.start_us + e->audio_samples * 1000000u / e->audio_rate;
	return 1;
}

int encoder_next(encoder *e, encoder_frame *frame)
{
	uint64_t due;
	int more_loops;

	if (e->o.max_pictures != 0 && e->pictures >= e->o.max_pictures && e->video.data != NULL)
		return 0;
	due = e->o.start_us + (uint64_t)((double)e->pictures * 1e6 / e->o.fps + 0.5);
	more_loops = e->loop + 1 < e->o.loops;
	if (e->audio.data != NULL && (e->video.data == NULL || e->audio_us <= due)) {
		if (next_sound(e, frame))
			return 1;
		if (more_loops && e->audio.pos > 0) {
			e->audio.pos = 0;
			if (e->video.data == NULL)
				e->loop++;
			if (next_sound(e, frame))
				return 1;
		}
		if (e->video.data == NULL)
			return 0;
	}
	if (next_picture(e, frame))
		return 1;
	if (!more_loops)
		return 0;
	e->loop++;
	e->video.pos = 0;
	return next_picture(e, frame);
}

/* ---- life ----------------------------------------------------------------------------------------------------------------- */

int encoder_open(encoder **result, const encoder_options *options)
{
	encoder *e = calloc(1, sizeof *e);

	if (e == NULL) {
		fprintf(stderr, "error: no memory\n");
		return -1;
	}
	e->o = *options;
	if (e->o.fps <= 0)
		e->o.fps = 25;
	e->random = e->o.seed != 0 ? e->o.seed : 1;
	e->ring_size = e->o.ring_bytes != 0 ? e->o.ring_bytes : DEFAULT_RING;
	e->ring = malloc(e->ring_size);
	e->audio_us = e->o.start_us;
	if (e->ring == NULL || (e->o.video != NULL && read_file(&e->video, e->o.video) != 0) ||
	    (e->o.audio != NULL && read_file(&e->audio, e->o.audio) != 0)) {
		encoder_close(e);
		return -1;
	}
	if (e->video.data != NULL && find_code(&e->video, 0) == e->video.size) {
		fprintf(stderr, "error: %s: not an H.264 Annex-B file (no start code)\n", e->o.video);
		encoder_close(e);
		return -1;
	}
	*result = e;
	return 0;
}

void encoder_wait(encoder *e, const encoder_frame *frame)
{
	struct timespec due;
	uint64_t ns;

	if (e->o.speed <= 0)
		return;
	if (!e->begun) {
		clock_gettime(CLOCK_MONOTONIC, &e->begin);
		e->begun = 1;
	}
	ns = (uint64_t)((double)(frame->timestamp_us - e->o.start_us) * 1000.0 / e->o.speed) + (uint64_t)e->begin.tv_nsec;
	due.tv_sec = e->begin.tv_sec + (time_t)(ns / 1000000000u);
	due.tv_nsec = (long)(ns % 1000000000u);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}

uint64_t encoder_pictures(const encoder *e) { return e->pictures; }

void encoder_close(encoder *e)
{
	if (e == NULL)
		return;
	free(e->video.data);
	free(e->audio.data);
	free(e->ring);
	free(e);
}
