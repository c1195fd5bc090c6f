/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for a SoC's encoder, for the examples and tests: it takes an H.264 Annex-B file (and an ADTS AAC file) apart and hands
 * the pictures out the way such encoders do: in a ring buffer of its own, one item per NAL unit, an item in two parts where the ring
 * wraps, each valid only until the next call.
 *
 *     encoder_options o = {0};
 *     encoder *e;
 *     o.video = "street.h264";
 *     o.fps = 25;
 *     if (encoder_open(&e, &o) != 0) ...
 *     while (encoder_next(e, &frame) > 0) {
 *         encoder_wait(e, &frame);            (real time)
 *         ... hand frame.pack[0..count-1] over ...
 *     }
 *     encoder_close(e);
 *
 * One thread per encoder. Pictures are told apart by NAL types and first_mb_in_slice (H.264 section 7.4.1.2.3), so the fields of
 * interlaced video come as two pictures, and slices out of order are not understood.
 */
#ifndef ENCODER_H
#define ENCODER_H

#include <stdint.h>

#define ENCODER_MAX_PACKS 16

typedef struct encoder encoder;

/* One NAL unit with its start code, or for sound one ADTS frame. part[1] is NULL when it is whole in part[0]. */
typedef struct {
	uint8_t *part[2];
	uint32_t length[2];
} encoder_pack;

typedef struct {
	int is_audio;
	int is_idr;
	uint64_t timestamp_us;
	unsigned count;
	encoder_pack pack[ENCODER_MAX_PACKS];
} encoder_frame;

enum encoder_split {
	ENCODER_SPLIT_RING = 0, /* two parts where the ring wraps, as hardware does */
	ENCODER_SPLIT_NONE,     /* always one part */
	ENCODER_SPLIT_RANDOM    /* two parts at a random byte, in memory that does not follow on */
};

typedef struct {
	const char *video;         /* path of the Annex-B file, NULL for sound only */
	const char *audio;         /* path of the ADTS file, NULL for no sound */
	double fps;                /* 0: 25 */
	double speed;              /* for encoder_wait: 0 does not wait, 1 is real time */
	uint64_t start_us;         /* timestamp of the first picture */
	uint64_t max_pictures;     /* 0: as many as the file and loops give */
	unsigned loops;            /* 0 and 1: once; both files start over */
	uint32_t ring_bytes;       /* 0: 512 KiB; grows to twice the largest picture */
	unsigned max_packs;        /* 0: ENCODER_MAX_PACKS; the last pack takes all NAL units that are left */
	enum encoder_split split;
	uint32_t seed;             /* of ENCODER_SPLIT_RANDOM */
	int drop_aud;              /* leave access unit delimiters out */
	int start_code;            /* 0: as in the file; 3 or 4: bytes of every start code */
} encoder_options;

/* Reads the files into memory. Returns 0, or -1 after it wrote the reason to stderr. */
int encoder_open(encoder **e, const encoder_options *options);

/* Gives the next picture or sound frame, in order of their timestamps. Returns 1, or 0 at the end. The memory of the frame before is
 * overwritten. */
int encoder_next(encoder *e, encoder_frame *frame);

/* Sleeps until the frame is due. */
void encoder_wait(encoder *e, const encoder_frame *frame);

/* Pictures handed out so far. */
uint64_t encoder_pictures(const encoder *e);

void encoder_close(encoder *e);

#endif
