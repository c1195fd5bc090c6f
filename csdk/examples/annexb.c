/* SPDX-License-Identifier: Apache-2.0 */
/*
 * annexb: plays a camera. It feeds an H.264 Annex-B file, and an ADTS AAC file if there is one, through the handle API of s3cam.h, in
 * real time or as fast as the agent takes it, and prints what became of the pictures.
 *
 *     AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... ./annexb --region eu-central-1 --bucket footage --prefix test/cam1 street.h264
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "encoder.h"
#include "s3cam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: annexb [options] VIDEO.h264 [AUDIO.aac]\n"
	"  --region NAME --bucket NAME --prefix NAME --endpoint URL   where to; what is missing the agent must know\n"
	"  --camera NAME       the camera's name in the agent's configuration and log\n"
	"  --agent PATH        the agent to start      (else $S3CAM_AGENT, then s3cam-agent in $PATH)\n"
	"  --socket PATH       a daemon's socket       (else $S3CAM_SOCKET, then /var/run/s3cam/agent.sock)\n"
	"  --fps N             pictures per second     (25)\n"
	"  --speed N           1 is real time, 2 twice as fast, 0 does not wait (1)\n"
	"  --start US          timestamp of the first picture, microseconds (0)\n"
	"  --frames N          stop after N pictures\n"
	"  --loops N           play the files N times\n"
	"  --ring BYTES        the agent's memory for footage (4194304)\n"
	"  --segment MS        target length of segments (3000)\n"
	"  --deadline MS       how long a put may wait for the agent (20)\n"
	"  --tags K=V&K=V      object tags\n"
	"  --parts ring|none|random   split pictures as an encoder's ring buffer does (ring)\n"
	"  --seed N            of --parts random (1)\n"
	"  --start-code 3|4    write all start codes with that many bytes (as in the file)\n"
	"  --nal               one call per NAL unit instead of one per picture\n"
	"  --no-aud            leave access unit delimiters out\n"
	"  --drain MS          how long to wait at the end for uploads (10000)\n"
	"Credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; without them the agent must have its own.\n"
	"Exit codes: 0 all stored, 1 failed, 2 usage, 3 ended with pictures that are lost or not stored yet.\n";

/* Is called on the library's thread, and during s3cam_close on ours: by one of them at a time. */
static void on_drop(void *user, const s3cam_drop *d)
{
	++*(unsigned long *)user;
	fprintf(stderr, "lost: %s, %lu pictures, reason %lu\n", d->key[0] ? d->key : "(not known)", (unsigned long)d->frames, (unsigned long)d->reason);
}

/* Puts one picture or sound frame, whole or NAL unit by NAL unit. */
static int put(s3cam *cam, const encoder_frame *f, int each, unsigned long *refused)
{
	s3cam_part part[2 * ENCODER_MAX_PACKS];
	s3cam_frame frame;
	unsigned i, k;
	int r, worst = S3CAM_OK;

	frame.part = part;
	frame.pts_us = f->timestamp_us;
	frame.parts = 0;
	for (i = 0; i < f->count; i++) {
		for (k = 0; k < 2; k++) {
			if (f->pack[i].length[k] == 0)
				continue;
			part[frame.parts].data = f->pack[i].part[k];
			part[frame.parts].size = f->pack[i].length[k];
			frame.parts++;
		}
		if (!each && i + 1 < f->count && frame.parts + 2 <= S3CAM_MAX_PARTS)
			continue;
		r = f->is_audio ? s3cam_put_audio(cam, &frame) : s3cam_put_video(cam, &frame);
		frame.parts = 0;
		if (r == S3CAM_EFULL)
			(*refused)++;
		else if (r != S3CAM_OK)
			worst = r;
	}
	return worst;
}

int main(int argc, char **argv)
{
	s3cam_options o = S3CAM_OPTIONS_INIT;
	encoder_options eo;
	encoder *enc;
	encoder_frame frame;
	s3cam_counters c;
	s3cam *cam;
	char text[256];
	const char *tags = NULL, *v;
	unsigned long drain = 10000, refused = 0, drops = 0;
	int i, r, each = 0, code;

	memset(&eo, 0, sizeof eo);
	eo.speed = 1;
	for (i = 1; i < argc; i++) {
		const char *a = argv[i];
		int takes = 1;

		if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
			fputs(usage, stdout);
			return 0;
		}
		if (strcmp(a, "--nal") == 0) {
			each = 1;
			continue;
		}
		if (strcmp(a, "--no-aud") == 0) {
			eo.drop_aud = 1;
			continue;
		}
		if (strncmp(a, "--", 2) != 0) {
			if (eo.video == NULL)
				eo.video = a;
			else if (eo.audio == NULL)
				eo.audio = a;
			else
				takes = -1;
			if (takes > 0)
				continue;
		}
		if (takes < 0 || i + 1 >= argc) {
			fprintf(stderr, "error: %s %s\nhint: annexb --help\n", a, takes < 0 ? "is one file too many" : "needs a value, or is no option");
			return 2;
		}
		v = argv[++i];
		if (strcmp(a, "--region") == 0)
			o.region = v;
		else if (strcmp(a, "--bucket") == 0)
			o.bucket = v;
		else if (strcmp(a, "--prefix") == 0)
			o.prefix = v;
		else if (strcmp(a, "--endpoint") == 0)
			o.endpoint = v;
		else if (strcmp(a, "--camera") == 0)
			o.camera = v;
		else if (strcmp(a, "--agent") == 0)
			o.agent_path = v;
		else if (strcmp(a, "--socket") == 0)
			o.socket_path = v;
		else if (strcmp(a, "--fps") == 0)
			eo.fps = atof(v);
		else if (strcmp(a, "--speed") == 0)
			eo.speed = atof(v);
		else if (strcmp(a, "--start") == 0)
			eo.start_us = (uint64_t)strtoull(v, NULL, 10);
		else if (strcmp(a, "--seed") == 0)
			eo.seed = (uint32_t)strtoul(v, NULL, 10);
		else if (strcmp(a, "--start-code") == 0 && (strcmp(v, "3") == 0 || strcmp(v, "4") == 0))
			eo.start_code = atoi(v);
		else if (strcmp(a, "--frames") == 0)
			eo.max_pictures = (uint64_t)strtoul(v, NULL, 10);
		else if (strcmp(a, "--loops") == 0)
			eo.loops = (unsigned)strtoul(v, NULL, 10);
		else if (strcmp(a, "--ring") == 0)
			o.ring_bytes = (uint32_t)strtoul(v, NULL, 10);
		else if (strcmp(a, "--segment") == 0)
			o.segment_ms = (uint32_t)strtoul(v, NULL, 10);
		else if (strcmp(a, "--deadline") == 0)
			o.put_deadline_ms = (uint32_t)strtoul(v, NULL, 10);
		else if (strcmp(a, "--drain") == 0)
			drain = strtoul(v, NULL, 10);
		else if (strcmp(a, "--tags") == 0)
			tags = v;
		else if (strcmp(a, "--parts") == 0 && strcmp(v, "ring") == 0)
			eo.split = ENCODER_SPLIT_RING;
		else if (strcmp(a, "--parts") == 0 && strcmp(v, "none") == 0)
			eo.split = ENCODER_SPLIT_NONE;
		else if (strcmp(a, "--parts") == 0 && strcmp(v, "random") == 0)
			eo.split = ENCODER_SPLIT_RANDOM;
		else {
			fprintf(stderr, "error: there is no option %s %s\nhint: annexb --help\n", a, v);
			return 2;
		}
	}
	if (eo.video == NULL) {
		fputs(usage, stderr);
		return 2;
	}
	if (!each)
		eo.max_packs = S3CAM_MAX_PARTS / 2; /* each may come in two parts */
	if (encoder_open(&enc, &eo) != 0)
		return 1;
	o.on_drop = on_drop;
	o.user = &drops;
	if (s3cam_open(&cam, &o, text, sizeof text) != S3CAM_OK) {
		fprintf(stderr, "error: %s\n", text);
		encoder_close(enc);
		return 1;
	}
	r = S3CAM_OK;
	if (getenv("AWS_ACCESS_KEY_ID") != NULL)
		r = s3cam_set_credentials(cam, getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN"));
	if (r == S3CAM_OK && tags != NULL)
		r = s3cam_set_tags(cam, tags);
	if (r == S3CAM_OK)
		r = s3cam_start(cam);
	while (r == S3CAM_OK && encoder_next(enc, &frame) > 0) {
		encoder_wait(enc, &frame);
		r = put(cam, &frame, each, &refused);
	}
	if (r != S3CAM_OK)
		fprintf(stderr, "error: result %d after %lu pictures\n", r, (unsigned long)encoder_pictures(enc));
	memset(&c, 0, sizeof c);
	c.size = sizeof c;
	s3cam_get_counters(cam, &c);
	s3cam_error_text(cam, text, sizeof text);
	code = s3cam_close(cam, (uint32_t)drain);
	printf("pictures %lu, refused calls %lu, lost on the way %lu, lost with an agent %lu, connections %lu\n", (unsigned long)encoder_pictures(enc),
	       refused, (unsigned long)c.lost_video, (unsigned long)c.lost_agents, (unsigned long)c.connects);
	printf("%s, %lu segments were lost\n", code == S3CAM_OK ? "the agent has nothing left to store" : "not all is stored", drops);
	if (text[0] != '\0')
		printf("last message of the agent: %s\n", text);
	encoder_close(enc);
	if (r != S3CAM_OK)
		return 1;
	return code == S3CAM_OK && refused == 0 && drops == 0 ? 0 : 3;
}
