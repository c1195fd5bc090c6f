/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manual: the sequence of calls that the deployment manual of the original SDK describes, as firmware has it: Initialize, Set_Credential
 * (Finalize when that fails), Set_Tag, Start_Upload, a pack for each picture that the encoder gives, Finalize. It includes nothing of s3cam
 * but the two headers of the original interface.
 *
 *     S3CAM_AGENT=./s3cam-agent ./manual REGION BUCKET PREFIX VIDEO.h264 [AUDIO.aac]     (- for no prefix)
 *
 * Credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, another server from S3_ENDPOINT: a host that begins
 * with the bucket.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "S3_HLS_Return_Code.h"
#include "S3_HLS_SDK.h"
#include "encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SIZE (4 * 1024 * 1024)

int main(int argc, char **argv)
{
	encoder_options eo;
	encoder *enc;
	encoder_frame frame;
	S3_HLS_FRAME_PACK pack;
	int32_t ret;
	unsigned long overflows = 0;
	unsigned i;

	if (argc < 5) {
		fprintf(stderr, "usage: %s REGION BUCKET PREFIX VIDEO.h264 [AUDIO.aac]\n", argv[0]);
		return 2;
	}
	memset(&eo, 0, sizeof eo);
	eo.video = argv[4];
	eo.audio = argc > 5 ? argv[5] : NULL;
	eo.speed = 1;
	eo.max_packs = S3_HLS_SIMPLE_PUT_MAX_FRAME_PER_PACK;
	if (encoder_open(&enc, &eo) != 0)
		return 1;

	ret = S3_HLS_SDK_Initialize(BUFFER_SIZE, argv[1], argv[2], strcmp(argv[3], "-") == 0 ? NULL : argv[3], getenv("S3_ENDPOINT"));
	if (S3_HLS_OK != ret) {
		fprintf(stderr, "Initialize failed: %d\n", (int)ret);
		return 1;
	}
	ret = S3_HLS_SDK_Set_Credential(getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN"));
	if (S3_HLS_OK != ret) {
		fprintf(stderr, "Set_Credential failed: %d\n", (int)ret);
		S3_HLS_SDK_Finalize();
		return 1;
	}
	S3_HLS_SDK_Set_Tag("example=manual");
	ret = S3_HLS_SDK_Start_Upload();
	if (S3_HLS_OK != ret) {
		fprintf(stderr, "Start_Upload failed: %d\n", (int)ret);
		S3_HLS_SDK_Finalize();
		return 1;
	}

	while (encoder_next(enc, &frame) > 0) {
		encoder_wait(enc, &frame);
		pack.item_count = frame.count;
		for (i = 0; i < frame.count; i++) {
			pack.items[i].timestamp = frame.timestamp_us;
			pack.items[i].first_part_start = frame.pack[i].part[0];
			pack.items[i].first_part_length = frame.pack[i].length[0];
			pack.items[i].second_part_start = frame.pack[i].part[1];
			pack.items[i].second_part_length = frame.pack[i].length[1];
		}
		if (frame.is_audio)
			ret = S3_HLS_SDK_Put_Audio_Frame(&pack);
		else
			ret = S3_HLS_SDK_Put_Video_Frame(&pack);
		if (S3_HLS_BUFFER_OVERFLOW == ret)
			overflows++; /* footage was lost; recording goes on */
		else if (S3_HLS_OK != ret)
			fprintf(stderr, "Put failed: %d\n", (int)ret);
	}

	S3_HLS_SDK_Finalize();
	printf("%lu pictures, %lu overflows\n", (unsigned long)encoder_pictures(enc), overflows);
	encoder_close(enc);
	return 0;
}
