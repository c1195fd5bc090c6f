/* SPDX-License-Identifier: Apache-2.0
 *
 * Firmware for tests: plays a script of calls of the drop-in API, as the test wrote it, and prints what they return.
 *
 *   player SCRIPT [SECOND]      SECOND is played by a thread of its own, from op G on
 *
 * A script is a sequence of records: u8 op, u32 length of the payload, payload; little endian. Strings are u32 length + bytes, NULL is
 * length 0xffffffff. Each string and each piece of a frame is memory of its own, spoiled and freed right after the call.
 *
 *   I initialize   u32 ring, strings region bucket prefix endpoint
 *   C credential   strings ak sk token            T tag        string
 *   S start        -                              F finalize   -
 *   V A frame      u64 us, u32 item_count, u32 items that follow, items: u32 length 1, u32 length 2, bytes (0xffffffff: NULL pointer)
 *   N n null pack  video, audio                   W wait       u32 ms since Z
 *   Z zero clock   -                              U sleep      u32 us
 *   G J            start, join the second thread  D            fork: the child goes on, the parent waits for it
 *   E exit         u32 code, at once              K            kill -9 of oneself
 *   M marker       string, printed                P settle     u32 ms (only with HANDLE), see below
 *
 * Compiled with -DHANDLE it makes the same calls by the handle API, with a camera for each script that begins with I; a second script without
 * one works on the camera of the first. Then it also prints each drop it is told of, and the counters twice a second; settle waits
 * until everything that was put is stored or counted as lost.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "S3_HLS_Return_Code.h"
#include "S3_HLS_SDK.h"
#ifdef HANDLE
#include "s3cam.h"
#endif

#define NONE 0xffffffffu

struct script {
	FILE *f;
	uint8_t *buf; /* payload of the record at hand */
	uint32_t len, at, cap;
	unsigned long video, audio, full, failed;
	long worst_us; /* longest Put */
#ifdef HANDLE
	s3cam *cam;
	volatile int watched; /* the monitor may look */
#endif
};

static struct timespec zero;
static struct script first, second;
static pthread_t thread;

static void die(const char *why)
{
	fprintf(stderr, "player: %s\n", why);
	_exit(99);
}

static long since_us(const struct timespec *from)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long)(now.tv_sec - from->tv_sec) * 1000000L + (now.tv_nsec - from->tv_nsec) / 1000L;
}

static void sleep_us(long us)
{
	struct timespec d;
	if (us <= 0)
		return;
	d.tv_sec = us / 1000000L;
	d.tv_nsec = us % 1000000L * 1000L;
	while (nanosleep(&d, &d) != 0 && errno == EINTR)
		;
}

static uint32_t get32(struct script *s)
{
	uint32_t v = 0;
	int i;
	if (s->len - s->at < 4)
		die("short record");
	for (i = 3; i >= 0; i--)
		v = v << 8 | s->buf[s->at + (uint32_t)i];
	s->at += 4;
	return v;
}

/* Memory of its own with a copy of the next n bytes. */
static uint8_t *take(struct script *s, uint32_t n)
{
	uint8_t *p = malloc(n ? n : 1);
	if (!p || s->len - s->at < n)
		die("short record");
	memcpy(p, s->buf + s->at, n);
	s->at += n;
	return p;
}

static void spoil(void *p, size_t n)
{
	if (p) {
		memset(p, 0xEE, n);
		free(p);
	}
}

static char *get_string(struct script *s)
{
	uint32_t n = get32(s);
	char *p, *z;
	if (n == NONE)
		return NULL;
	p = (char *)take(s, n);
	z = malloc((size_t)n + 1);
	if (!z)
		die("memory");
	memcpy(z, p, n);
	z[n] = 0;
	free(p);
	return z;
}

static void drop_string(char *p)
{
	if (p)
		spoil(p, strlen(p));
}

#ifdef HANDLE

static s3cam *cam_of(struct script *s) { return s->cam ? s->cam : first.cam; }

static void on_drop(void *user, const s3cam_drop *d)
{
	struct script *s = user;
	printf("drop %d reason %llu frames %llu key %s\n", s == &second, (unsigned long long)d->reason, (unsigned long long)d->frames, d->key[0] ? d->key : "-");
	fflush(stdout);
}

static int get_counters(struct script *s, s3cam_counters *c)
{
	memset(c, 0, sizeof *c);
	c->size = sizeof *c;
	return s3cam_get_counters(s->cam, c);
}

static void print_counters(struct script *s, const char *when)
{
	s3cam_counters c;
	if (get_counters(s, &c) != S3CAM_OK)
		return;
	printf("%s %d lost_video %llu lost_agents %llu connects %llu video %llu settled %llu stored %llu dropped %llu pending %llu spooled %llu failed %llu error %llu segments %llu\n",
	       when, s == &second, (unsigned long long)c.lost_video, (unsigned long long)c.lost_agents, (unsigned long long)c.connects, (unsigned long long)c.video_frames,
	       (unsigned long long)c.settled_frames, (unsigned long long)c.stored_frames, (unsigned long long)c.dropped_frames, (unsigned long long)c.pending_segments,
	       (unsigned long long)c.spooled_segments, (unsigned long long)c.uploads_failed, (unsigned long long)c.last_error, (unsigned long long)c.stored_segments);
	fflush(stdout);
}

static pthread_mutex_t watch = PTHREAD_MUTEX_INITIALIZER; /* a camera is not closed while the monitor looks */

static void *monitor(void *arg)
{
	(void)arg;
	for (;;) {
		sleep_us(500000);
		pthread_mutex_lock(&watch);
		if (first.watched)
			print_counters(&first, "counters");
		if (second.watched)
			print_counters(&second, "counters");
		pthread_mutex_unlock(&watch);
	}
	return NULL;
}

/* Waits until the agent has stored, spooled or lost all that it got. */
static void settle(struct script *s, long limit_ms)
{
	struct timespec began;
	s3cam_counters c;
	clock_gettime(CLOCK_MONOTONIC, &began);
	s3cam_flush(s->cam);
	sleep_us(1500000); /* counters come once a second */
	while (since_us(&began) < limit_ms * 1000L && get_counters(s, &c) == S3CAM_OK &&
	       (c.settled_frames != c.video_frames || c.spooled_segments != 0 || c.video_frames == 0))
		sleep_us(100000);
}

static int32_t api_initialize(struct script *s, uint32_t ring, char **p)
{
	static pthread_t watcher;
	s3cam_options o = S3CAM_OPTIONS_INIT;
	char text[300];
	int code;
	o.ring_bytes = ring;
	o.region = p[0];
	o.bucket = p[1];
	o.prefix = p[2];
	o.endpoint = p[3];
	o.flags = S3CAM_BUCKET_IN_HOST | (p[2] ? 0 : S3CAM_BUCKET_ROOT);
	o.on_drop = on_drop;
	o.user = s;
	code = s3cam_open(&s->cam, &o, text, sizeof text);
	if (code != S3CAM_OK)
		printf("open: %s\n", text);
	if (code == S3CAM_OK && s == &first && pthread_create(&watcher, NULL, monitor, NULL) != 0)
		die("monitor");
	pthread_mutex_lock(&watch);
	s->watched = code == S3CAM_OK;
	pthread_mutex_unlock(&watch);
	return code;
}

static int32_t api_credential(struct script *s, char **p) { return s3cam_set_credentials(cam_of(s), p[0], p[1], p[2]); }
static int32_t api_tag(struct script *s, char *tag) { return s3cam_set_tags(cam_of(s), tag); }
static int32_t api_start(struct script *s) { return s3cam_start(cam_of(s)); }

static int32_t api_put(struct script *s, S3_HLS_FRAME_PACK *pack, int video)
{
	s3cam_part part[8];
	s3cam_frame f;
	uint32_t i;
	if (!pack || pack->item_count < 1 || pack->item_count > 4)
		return S3CAM_EINVAL;
	for (i = 0; i < pack->item_count; i++) {
		part[2 * i].data = pack->items[i].first_part_start;
		part[2 * i].size = pack->items[i].first_part_length;
		part[2 * i + 1].data = pack->items[i].second_part_start;
		part[2 * i + 1].size = pack->items[i].second_part_length;
	}
	f.part = part;
	f.parts = 2 * (size_t)pack->item_count;
	f.pts_us = pack->items[0].timestamp;
	return video ? s3cam_put_video(cam_of(s), &f) : s3cam_put_audio(cam_of(s), &f);
}

static int32_t api_finalize(struct script *s)
{
	int code;
	s3cam *cam = s->cam;
	print_counters(s, "final");
	pthread_mutex_lock(&watch);
	s->watched = 0;
	pthread_mutex_unlock(&watch);
	code = s3cam_close(cam, 10000);
	s->cam = NULL;
	return code;
}

#else

static int32_t api_initialize(struct script *s, uint32_t ring, char **p) { (void)s; return S3_HLS_SDK_Initialize(ring, p[0], p[1], p[2], p[3]); }
static int32_t api_credential(struct script *s, char **p) { (void)s; return S3_HLS_SDK_Set_Credential(p[0], p[1], p[2]); }
static int32_t api_tag(struct script *s, char *tag) { (void)s; return S3_HLS_SDK_Set_Tag(tag); }
static int32_t api_start(struct script *s) { (void)s; return S3_HLS_SDK_Start_Upload(); }
static int32_t api_finalize(struct script *s) { (void)s; return S3_HLS_SDK_Finalize(); }
static int32_t api_put(struct script *s, S3_HLS_FRAME_PACK *pack, int video)
{
	(void)s;
	return video ? S3_HLS_SDK_Put_Video_Frame(pack) : S3_HLS_SDK_Put_Audio_Frame(pack);
}
static void settle(struct script *s, long limit_ms) { (void)s; (void)limit_ms; }

#endif

static void report(const char *name, int32_t code, const struct timespec *began)
{
	printf("%s %ld us %ld\n", name, (long)code, since_us(began));
	fflush(stdout);
}

static void strings(struct script *s, int op)
{
	char *p[4] = {NULL, NULL, NULL, NULL};
	uint32_t ring = 0;
	int i, n = op == 'I' ? 4 : op == 'C' ? 3 : 1;
	int32_t code = 0;
	struct timespec began;
	if (op == 'I')
		ring = get32(s);
	for (i = 0; i < n; i++)
		p[i] = get_string(s);
	clock_gettime(CLOCK_MONOTONIC, &began);
	switch (op) {
	case 'I': code = api_initialize(s, ring, p); break;
	case 'C': code = api_credential(s, p); break;
	case 'T': code = api_tag(s, p[0]); break;
	case 'M': printf("marker %s\n", p[0]); fflush(stdout); break;
	}
	for (i = 0; i < n; i++)
		drop_string(p[i]);
	if (op == 'I' || op == 'T' || (op == 'C' && (s == &first || code != 0)))
		report(op == 'I' ? "initialize" : op == 'T' ? "tag" : "credential", code, &began);
}

static void result(struct script *s, int video, int32_t code, long us)
{
	unsigned long *n = video ? &s->video : &s->audio;
	if (us > s->worst_us)
		s->worst_us = us;
	if (code == S3_HLS_BUFFER_OVERFLOW)
		s->full++;
	else if (code != S3_HLS_OK)
		s->failed++;
	if (code != S3_HLS_OK) {
		printf("%s %lu %ld\n", video ? "video" : "audio", *n, (long)code);
		fflush(stdout);
	}
	++*n;
}

static void frame(struct script *s, int video)
{
	S3_HLS_FRAME_PACK pack;
	uint64_t at;
	uint32_t i, count, follow, len[4][2];
	int32_t code;
	struct timespec began;
	memset(&pack, 0xA5, sizeof pack); /* what is not set is garbage, as on a stack */
	at = get32(s);
	at |= (uint64_t)get32(s) << 32;
	count = get32(s);
	follow = get32(s);
	if (follow > S3_HLS_SIMPLE_PUT_MAX_FRAME_PER_PACK)
		die("items");
	for (i = 0; i < follow; i++) {
		S3_HLS_FRAME_ITEM *it = &pack.items[i];
		len[i][0] = get32(s);
		len[i][1] = get32(s);
		it->first_part_start = len[i][0] == NONE ? NULL : take(s, len[i][0]);
		it->first_part_length = len[i][0] == NONE ? 10 : len[i][0];
		it->second_part_start = len[i][1] == NONE || len[i][1] == 0 ? NULL : take(s, len[i][1]);
		it->second_part_length = len[i][1] == NONE ? 10 : len[i][1];
		it->timestamp = at;
	}
	pack.item_count = count;
	clock_gettime(CLOCK_MONOTONIC, &began);
	code = api_put(s, &pack, video);
	result(s, video, code, since_us(&began));
	for (i = 0; i < follow; i++) {
		if (len[i][0] != NONE)
			spoil(pack.items[i].first_part_start, len[i][0]);
		if (len[i][1] != NONE && len[i][1] != 0)
			spoil(pack.items[i].second_part_start, len[i][1]);
	}
}

static void *play(void *arg);

static void fork_on(void)
{
	int status;
	pid_t child;
	fflush(stdout);
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0)
		return;
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		_exit(98);
	_exit(WEXITSTATUS(status));
}

static void step(struct script *s, int op)
{
	struct timespec began;
	clock_gettime(CLOCK_MONOTONIC, &began);
	switch (op) {
	case 'I': case 'C': case 'T': case 'M': strings(s, op); break;
	case 'S': report("start", api_start(s), &began); break;
	case 'F': report("finalize", api_finalize(s), &began); break;
	case 'V': frame(s, 1); break;
	case 'A': frame(s, 0); break;
	case 'N': result(s, 1, api_put(s, NULL, 1), 0); break;
	case 'n': result(s, 0, api_put(s, NULL, 0), 0); break;
	case 'W': sleep_us((long)get32(s) * 1000L - since_us(&zero)); break;
	case 'P': settle(s, (long)get32(s)); break;
	case 'U': sleep_us((long)get32(s)); break;
	case 'Z': clock_gettime(CLOCK_MONOTONIC, &zero); break;
	case 'G':
		if (!second.f || pthread_create(&thread, NULL, play, &second) != 0)
			die("second thread");
		break;
	case 'J': pthread_join(thread, NULL); break;
	case 'D': fork_on(); break;
	case 'E': fflush(stdout); _exit((int)get32(s));
	case 'K': raise(SIGKILL); break;
	default: die("unknown op");
	}
}

static void *play(void *arg)
{
	struct script *s = arg;
	uint8_t head[5];
	while (fread(head, 1, 5, s->f) == 5) {
		s->len = head[1] | (uint32_t)head[2] << 8 | (uint32_t)head[3] << 16 | (uint32_t)head[4] << 24;
		s->at = 0;
		if (s->len > s->cap) {
			free(s->buf);
			s->cap = s->len;
			s->buf = malloc(s->cap);
		}
		if (s->len && (!s->buf || fread(s->buf, 1, s->len, s->f) != s->len))
			die("short script");
		step(s, head[0]);
	}
	printf("sum video %lu audio %lu full %lu failed %lu worst_us %ld\n", s->video, s->audio, s->full, s->failed, s->worst_us);
	fflush(stdout);
	free(s->buf);
	fclose(s->f);
	return NULL;
}

int main(int argc, char **argv)
{
	clock_gettime(CLOCK_MONOTONIC, &zero);
	if (argc < 2 || !(first.f = fopen(argv[1], "rb")) || (argc > 2 && !(second.f = fopen(argv[2], "rb"))))
		die("cannot open the script");
	play(&first);
	return 0;
}
