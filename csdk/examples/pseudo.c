/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pseudo: firmware as it was written against the original SDK, relinked: settings in buffers of its own that are reused after each call,
 * NULL for what is not configured, one thread for the video encoder's callback and one for the microphone's, an item for each NAL unit
 * with both parts of the encoder's ring, and a credential thread that replaces temporary keys while all this goes on. It shows what such
 * firmware may rely on; manual.c is the shorter example.
 *
 *     S3_REGION=eu-central-1 S3_BUCKET=footage S3_PREFIX=/cam1 ./pseudo VIDEO.h264 [AUDIO.aac]
 *
 * Also S3_ENDPOINT (a host that begins with the bucket), S3_TAGS, S3_FPS (25), S3_SPEED (1 is real time, 0 does not wait), and the credentials
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
 * Exit codes: 0 done, 1 failed, 2 usage, 3 footage was lost.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "S3_HLS_SDK.h"
#include "S3_HLS_Return_Code.h"
#include "encoder.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RING_BUFFER_SIZE (4 * 1024 * 1024)

typedef struct {
	encoder *enc;
	int32_t (*put)(S3_HLS_FRAME_PACK *pack);
	unsigned long frames, overflows, errors;
} track;

static pthread_mutex_t running_lock = PTHREAD_MUTEX_INITIALIZER;
static int running = 1;

/* Settings as firmware reads them from its flash: always into the same buffers, NULL when there is none. */
static char *setting(int slot, const char *name)
{
	static char buffer[4][2048];
	const char *value = getenv(name);

	memset(buffer[slot], 0, sizeof buffer[slot]);
	if (value == NULL || strlen(value) >= sizeof buffer[slot])
		return NULL;
	return strcpy(buffer[slot], value);
}

static int32_t credentials(void)
{
	return S3_HLS_SDK_Set_Credential(setting(0, "AWS_ACCESS_KEY_ID"), setting(1, "AWS_SECRET_ACCESS_KEY"), setting(2, "AWS_SESSION_TOKEN"));
}

/* What an encoder calls when a frame is there. The memory is the encoder's; it is overwritten when this has returned. */
static void on_frame(track *t, encoder_frame *frame)
{
	S3_HLS_FRAME_PACK pack;
	unsigned i;

	for (i = 0; i < frame->count; i++) {
		pack.items[i].first_part_start = frame->pack[i].part[0];
		pack.items[i].first_part_length = frame->pack[i].length[0];
		pack.items[i].second_part_start = frame->pack[i].part[1]; /* NULL, 0 when the ring did not wrap here */
		pack.items[i].second_part_length = frame->pack[i].length[1];
		pack.items[i].timestamp = frame->timestamp_us;
	}
	pack.item_count = frame->count;
	switch (t->put(&pack)) {
	case S3_HLS_OK:
		break;
	case S3_HLS_BUFFER_OVERFLOW:
		t->overflows++;
		break;
	default:
		t->errors++;
	}
	t->frames++;
}

static void *track_thread(void *p)
{
	track *t = p;
	encoder_frame frame;

	while (encoder_next(t->enc, &frame) > 0) {
		encoder_wait(t->enc, &frame);
		on_frame(t, &frame);
	}
	return NULL;
}

static void *credential_thread(void *p)
{
	struct timespec pause;
	int go;

	pause.tv_sec = 0;
	pause.tv_nsec = 20000000; /* minutes, in real firmware */
	do {
		nanosleep(&pause, NULL);
		credentials();
		pthread_mutex_lock(&running_lock);
		go = running;
		pthread_mutex_unlock(&running_lock);
	} while (go);
	return p;
}

static int open_track(track *t, const char *video, const char *audio)
{
	encoder_options o;
	const char *speed = getenv("S3_SPEED"), *fps = getenv("S3_FPS");

	memset(&o, 0, sizeof o);
	memset(t, 0, sizeof *t);
	o.video = video;
	o.audio = audio;
	o.fps = fps != NULL ? atof(fps) : 25;
	o.speed = speed != NULL ? atof(speed) : 1;
	o.ring_bytes = 256 * 1024;
	o.max_packs = S3_HLS_SIMPLE_PUT_MAX_FRAME_PER_PACK;
	t->put = video != NULL ? S3_HLS_SDK_Put_Video_Frame : S3_HLS_SDK_Put_Audio_Frame;
	return encoder_open(&t->enc, &o);
}

int main(int argc, char **argv)
{
	pthread_t video_thread, audio_thread, key_thread;
	track video, audio;
	int32_t ret;

	memset(&audio, 0, sizeof audio);
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: %s VIDEO.h264 [AUDIO.aac]     (settings: see the head of pseudo.c)\n", argv[0]);
		return 2;
	}
	if (open_track(&video, argv[1], NULL) != 0 || (argc > 2 && open_track(&audio, NULL, argv[2]) != 0))
		return 1;
	if ((ret = S3_HLS_SDK_Initialize(RING_BUFFER_SIZE, setting(0, "S3_REGION"), setting(1, "S3_BUCKET"), setting(2, "S3_PREFIX"), setting(3, "S3_ENDPOINT"))) != S3_HLS_OK) {
		fprintf(stderr, "error: S3_HLS_SDK_Initialize: %d\n", (int)ret);
		return 1;
	}
	if ((ret = credentials()) != S3_HLS_OK || (ret = S3_HLS_SDK_Set_Tag(setting(0, "S3_TAGS"))) != S3_HLS_OK ||
	    (ret = S3_HLS_SDK_Start_Upload()) != S3_HLS_OK) {
		fprintf(stderr, "error: result %d\n", (int)ret);
		S3_HLS_SDK_Finalize();
		return 1;
	}
	if (pthread_create(&key_thread, NULL, credential_thread, NULL) != 0 || pthread_create(&video_thread, NULL, track_thread, &video) != 0 ||
	    (audio.enc != NULL && pthread_create(&audio_thread, NULL, track_thread, &audio) != 0)) {
		fprintf(stderr, "error: no thread\n");
		return 1;
	}
	pthread_join(video_thread, NULL);
	if (audio.enc != NULL)
		pthread_join(audio_thread, NULL);
	pthread_mutex_lock(&running_lock);
	running = 0;
	pthread_mutex_unlock(&running_lock);
	pthread_join(key_thread, NULL);
	S3_HLS_SDK_Finalize();
	printf("%lu pictures, %lu sound frames, %lu overflows, %lu errors\n", video.frames, audio.frames, video.overflows + audio.overflows,
	       video.errors + audio.errors);
	encoder_close(video.enc);
	encoder_close(audio.enc);
	if (video.errors + audio.errors > 0)
		return 1;
	return video.overflows + audio.overflows > 0 ? 3 : 0;
}
