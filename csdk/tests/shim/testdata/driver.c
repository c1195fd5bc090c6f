/* SPDX-License-Identifier: Apache-2.0 */
/* Calls the library as the lines on standard input say and prints each result and how long it took, for shim_test.go. */
#define _POSIX_C_SOURCE 200809L
#include "S3_HLS_Return_Code.h"
#include "S3_HLS_SDK.h"
#include "s3cam.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static s3cam *cam;

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

static void dropped(void *user, const s3cam_drop *d)
{
    printf("drop %s %d %d %d %d %llu %s\n", (const char *)user, (int)d->reason, (int)d->frames, (int)d->bytes, (int)d->duration_ms,
           (unsigned long long)d->start_us, d->key);
    fflush(stdout);
}

/* A string in its own memory, which is spoiled and freed after the call. "-" is NULL. */
static char *own(const char *s)
{
    char *p;
    if (!s || !strcmp(s, "-"))
        return NULL;
    p = malloc(strlen(s) + 1);
    strcpy(p, s);
    return p;
}

static void spoil(char *s)
{
    if (s)
        memset(s, '#', strlen(s));
    free(s);
}

static int open_full(const char *deadline)
{
    s3cam_options o = S3CAM_OPTIONS_INIT;
    char text[64];
    static char user[] = "me";
    char *s[5];
    int i, r;
    memset(text, 'x', sizeof text);
    o.region = s[0] = own("eu-central-1");
    o.bucket = s[1] = own("footage");
    o.prefix = s[2] = own("shop/door");
    o.endpoint = s[3] = own("https://s3.example.com:8443");
    o.camera = s[4] = own("door");
    o.ring_bytes = 8 << 20;
    o.segment_ms = 4000;
    o.flags = S3CAM_BUCKET_IN_HOST;
    o.put_deadline_ms = (uint32_t)atoi(deadline);
    o.on_drop = dropped;
    o.user = user;
    r = s3cam_open(&cam, &o, text, sizeof text);
    for (i = 0; i < 5; i++)
        spoil(s[i]);
    if (!memchr(text, 0, sizeof text))
        abort();
    printf("text %s\n", text);
    return r;
}

static uint8_t *unhex(const char *s, size_t *n)
{
    uint8_t *p = malloc(strlen(s) / 2 + 1); /* exact, so that reading past the end is seen */
    size_t i;
    for (i = 0; s[2 * i] && s[2 * i + 1]; i++) {
        char two[3] = {s[2 * i], s[2 * i + 1], 0};
        p[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    *n = i;
    p = realloc(p, i ? i : 1);
    return p;
}

/* put v|a PTS HEX,HEX,... */
static int put_parts(char kind, const char *pts, char *list)
{
    s3cam_part part[10];
    s3cam_frame f;
    char *s, *rest = NULL;
    size_t n = 0, i;
    int r;
    for (s = strtok_r(list, ",", &rest); s && n < 10; s = strtok_r(NULL, ",", &rest), n++)
        part[n].data = unhex(!strcmp(s, ".") ? "" : s, &part[n].size);
    f.part = part;
    f.parts = n;
    f.pts_us = strtoull(pts, NULL, 10);
    r = kind == 'v' ? s3cam_put_video(cam, &f) : s3cam_put_audio(cam, &f);
    for (i = 0; i < n; i++)
        free((void *)(uintptr_t)part[i].data);
    return r;
}

/* A slice of a NAL type in size bytes. */
static int put_slice(int type, const char *pts, size_t size)
{
    s3cam_part part;
    s3cam_frame f;
    uint8_t *p = malloc(size);
    int r;
    memset(p, 0x77, size);
    memcpy(p, "\0\0\0\1", 4);
    p[4] = (uint8_t)type;
    p[5] = 0x88;
    part.data = p;
    part.size = size;
    f.part = &part;
    f.parts = 1;
    f.pts_us = strtoull(pts, NULL, 10);
    r = s3cam_put_video(cam, &f);
    free(p);
    return r;
}

/* lput v|a PTS FIRST[+SECOND],...: by the S3_HLS API */
static int put_pack(char kind, const char *pts, char *list)
{
    S3_HLS_FRAME_PACK pack;
    char *s, *rest = NULL;
    uint32_t n = 0, i;
    int r;
    memset(&pack, 0xee, sizeof pack);
    for (s = strtok_r(list, ",", &rest); s && n < 4; s = strtok_r(NULL, ",", &rest), n++) {
        S3_HLS_FRAME_ITEM *item = pack.items + n;
        char *plus = strchr(s, '+');
        size_t k;
        item->second_part_start = NULL;
        item->second_part_length = 0;
        if (plus) {
            *plus = 0;
            item->second_part_start = unhex(plus + 1, &k);
            item->second_part_length = (uint32_t)k;
        }
        item->first_part_start = unhex(s, &k);
        item->first_part_length = (uint32_t)k;
        item->timestamp = strtoull(pts, NULL, 10);
    }
    pack.item_count = n;
    r = kind == 'v' ? S3_HLS_SDK_Put_Video_Frame(&pack) : S3_HLS_SDK_Put_Audio_Frame(&pack);
    for (i = 0; i < n; i++) {
        free(pack.items[i].first_part_start);
        free(pack.items[i].second_part_start);
    }
    return r;
}

static void counters(void)
{
    union {
        s3cam_counters c;
        uint64_t w[22];
    } u;
    unsigned i, at = (unsigned)(offsetof(s3cam_counters, lost_video) / 8);
    u.c.size = sizeof u.c;
    s3cam_get_counters(cam, &u.c);
    flockfile(stdout); /* on_drop may print meanwhile */
    printf("counters");
    for (i = 0; i < 21; i++)
        printf(" %lld", (long long)u.w[at + i]);
    printf("\n");
    funlockfile(stdout);
}

/* What must be answered and not crashed on, with cam open when open is set. Prints nothing when all is right. */
#define WANT(want, call) do { int r_ = (call); if (r_ != (want)) printf("bad: %s = %d, want %d\n", #call, r_, (want)); } while (0)
static void arguments(int open)
{
    s3cam_options o = S3CAM_OPTIONS_INIT;
    s3cam_counters c;
    s3cam_part part[9];
    s3cam_frame f;
    S3_HLS_FRAME_PACK pack;
    uint8_t byte[8] = {0, 0, 0, 1, 0x65, 0x88, 1, 2};
    char text[8], *big = malloc(9000);
    s3cam *other = NULL;
    size_t i;

    memset(big, 'b', 8999);
    big[8999] = 0;
    memset(&pack, 0, sizeof pack);
    for (i = 0; i < 9; i++) {
        part[i].data = byte;
        part[i].size = sizeof byte;
    }
    f.part = part;
    f.pts_us = 0;
    f.parts = 1;
    WANT(S3CAM_EINVAL, s3cam_open(NULL, &o, NULL, 0));
    WANT(S3CAM_EINVAL, s3cam_open(&other, NULL, text, sizeof text));
    if (strlen(text) != sizeof text - 1)
        printf("bad: text %s\n", text);
    o.prefix = big;
    WANT(S3CAM_EINVAL, s3cam_open(&other, &o, text, 1));
    if (text[0] || other)
        printf("bad: text or handle\n");
    WANT(S3CAM_OK, s3cam_close(NULL, 0));
    WANT(S3CAM_EINVAL, s3cam_start(NULL));
    WANT(S3CAM_EINVAL, s3cam_flush(NULL));
    WANT(S3CAM_EINVAL, s3cam_set_credentials(NULL, "a", "b", "c"));
    WANT(S3CAM_EINVAL, s3cam_set_tags(NULL, "a"));
    WANT(S3CAM_EINVAL, s3cam_put_video(NULL, &f));
    WANT(S3CAM_EINVAL, s3cam_put_audio(NULL, &f));
    WANT(S3CAM_EINVAL, s3cam_error_text(NULL, text, sizeof text));
    c.size = sizeof c;
    WANT(S3CAM_EINVAL, s3cam_get_counters(NULL, &c));
    if (open) {
        WANT(S3CAM_EINVAL, s3cam_put_video(cam, NULL));
        f.parts = 0;
        WANT(S3CAM_EINVAL, s3cam_put_video(cam, &f));
        f.parts = 9;
        WANT(S3CAM_EINVAL, s3cam_put_video(cam, &f));
        f.parts = (size_t)-1;
        WANT(S3CAM_EINVAL, s3cam_put_video(cam, &f));
        f.parts = 2;
        part[1].data = NULL;
        WANT(S3CAM_EINVAL, s3cam_put_audio(cam, &f));
        part[0].size = part[1].size = 0;
        WANT(S3CAM_EINVAL, s3cam_put_audio(cam, &f));
        part[1].data = byte;
        part[1].size = S3CAM_MAX_FRAME + 1;
        WANT(S3CAM_EINVAL, s3cam_put_video(cam, &f));
        part[1].size = (size_t)-1;
        WANT(S3CAM_EINVAL, s3cam_put_video(cam, &f));
        part[0].size = 8;
        part[1].size = S3CAM_MAX_FRAME - 7;
        WANT(S3CAM_EINVAL, s3cam_put_video(cam, &f));
        f.part = NULL;
        WANT(S3CAM_EINVAL, s3cam_put_video(cam, &f));
        WANT(S3CAM_EINVAL, s3cam_set_credentials(cam, NULL, "b", NULL));
        WANT(S3CAM_EINVAL, s3cam_set_credentials(cam, "a", NULL, NULL));
        WANT(S3CAM_EINVAL, s3cam_set_credentials(cam, "a", big, NULL));
        WANT(S3CAM_EINVAL, s3cam_set_tags(cam, big));
        WANT(S3CAM_EINVAL, s3cam_error_text(cam, NULL, 1));
        WANT(S3CAM_EINVAL, s3cam_error_text(cam, text, 0));
        WANT(S3CAM_EINVAL, s3cam_get_counters(cam, NULL));
        c.size = 1;
        WANT(S3CAM_EINVAL, s3cam_get_counters(cam, &c));
        c.size = sizeof c.size;
        WANT(S3CAM_OK, s3cam_get_counters(cam, &c));
        c.size = offsetof(s3cam_counters, connects) + 8;
        c.connects = 99;
        c.video_frames = 77;
        WANT(S3CAM_OK, s3cam_get_counters(cam, &c));
        if (c.connects != 1 || c.video_frames != 77)
            printf("bad: counters of a smaller size\n");
    }
    free(big);
    (void)pack;
}

static void legacy_arguments(int open)
{
    S3_HLS_FRAME_PACK pack;
    uint8_t byte[8] = {0, 0, 0, 1, 0x65, 0x88, 1, 2};
    static char region[] = "eu-west-1", bucket[] = "b", two[] = "eu", text[] = "a";
    memset(&pack, 0, sizeof pack);
    WANT(-7, S3_HLS_SDK_Initialize(0, NULL, bucket, NULL, NULL));
    WANT(-7, S3_HLS_SDK_Initialize(0, region, NULL, NULL, NULL));
    WANT(-7, S3_HLS_SDK_Initialize(0, two, bucket, NULL, NULL));
    if (!open) {
        WANT(-2, S3_HLS_SDK_Set_Credential(text, text, NULL));
        WANT(-2, S3_HLS_SDK_Set_Tag(text));
        WANT(-2, S3_HLS_SDK_Set_Tag(NULL));
        WANT(-2, S3_HLS_SDK_Start_Upload());
        pack.item_count = 1;
        pack.items[0].first_part_start = byte;
        pack.items[0].first_part_length = 8;
        WANT(-6, S3_HLS_SDK_Put_Video_Frame(&pack));
        WANT(-6, S3_HLS_SDK_Put_Audio_Frame(&pack));
        return;
    }
    WANT(-7, S3_HLS_SDK_Initialize(0, region, bucket, NULL, NULL));
    WANT(-2, S3_HLS_SDK_Set_Credential(NULL, text, NULL));
    WANT(-2, S3_HLS_SDK_Set_Credential(text, NULL, NULL));
    WANT(-2, S3_HLS_SDK_Put_Video_Frame(NULL));
    WANT(-2, S3_HLS_SDK_Put_Audio_Frame(NULL));
    pack.items[0].first_part_start = byte;
    pack.items[0].first_part_length = 8;
    WANT(-2, S3_HLS_SDK_Put_Video_Frame(&pack));
    pack.item_count = 5;
    WANT(-2, S3_HLS_SDK_Put_Video_Frame(&pack));
    pack.item_count = 0xffffffff;
    WANT(-2, S3_HLS_SDK_Put_Video_Frame(&pack));
    pack.item_count = 2;
    WANT(-2, S3_HLS_SDK_Put_Video_Frame(&pack));
    pack.item_count = 1;
    pack.items[0].second_part_length = 1;
    WANT(-2, S3_HLS_SDK_Put_Audio_Frame(&pack));
    if (const_fill_word[0] != 0xff || const_fill_word[187] != 0xff || sizeof const_fill_word != 188)
        printf("bad: const_fill_word\n");
}

/* stress MS: frames, credentials, tags and counters from four threads, for that long */
static pthread_mutex_t going_lock = PTHREAD_MUTEX_INITIALIZER;
static int going_value;

static int going(int set)
{
    int v;
    pthread_mutex_lock(&going_lock);
    if (set >= 0)
        going_value = set;
    v = going_value;
    pthread_mutex_unlock(&going_lock);
    return v;
}

static void *stress_video(void *p)
{
    static uint8_t data[30000] = {0, 0, 1, 0x65, 0x88}, other[2000] = {0, 0, 1, 0x41, 0x9a};
    long n, ok = 0, full = 0;
    for (n = 0; going(-1); n++) {
        s3cam_part part[2];
        s3cam_frame f;
        int r;
        part[0].data = n % 10 ? other : data;
        part[0].size = 4;
        part[1].data = (n % 10 ? other : data) + 4;
        part[1].size = n % 10 ? sizeof other - 4 : sizeof data - 4;
        f.part = part;
        f.parts = 2;
        f.pts_us = (uint64_t)n * 40000;
        r = s3cam_put_video(cam, &f);
        ok += !r;
        full += r == S3CAM_EFULL;
        if (n % 5 == 0) {
            struct timespec t = {0, 1000000};
            nanosleep(&t, NULL);
        }
    }
    printf("video %ld %ld %ld\n", n, ok, full);
    return p;
}

static void *stress_audio(void *p)
{
    static const uint8_t data[200] = {0xff, 0xf1};
    while (going(-1)) {
        struct timespec t = {0, 1000000};
        s3cam_part part;
        s3cam_frame f;
        part.data = data;
        part.size = sizeof data;
        f.part = &part;
        f.parts = 1;
        f.pts_us = 1;
        s3cam_put_audio(cam, &f);
        nanosleep(&t, NULL);
    }
    return p;
}

static void *stress_settings(void *p)
{
    while (going(-1)) {
        struct timespec t = {0, 500000};
        s3cam_counters c;
        char secret[600], text[100];
        memset(secret, 'a' + (int)(now_ms() % 26), 599);
        secret[599] = 0;
        s3cam_set_credentials(cam, "key", secret, secret);
        s3cam_set_tags(cam, "a=b");
        c.size = sizeof c;
        s3cam_get_counters(cam, &c);
        s3cam_error_text(cam, text, sizeof text);
        nanosleep(&t, NULL);
    }
    return p;
}

static void stress(long ms)
{
    pthread_t t[3];
    struct timespec d;
    int i;
    going(1);
    pthread_create(&t[0], NULL, stress_video, NULL);
    pthread_create(&t[1], NULL, stress_audio, NULL);
    pthread_create(&t[2], NULL, stress_settings, NULL);
    d.tv_sec = ms / 1000;
    d.tv_nsec = ms % 1000 * 1000000;
    while (nanosleep(&d, &d) && errno == EINTR)
        ;
    going(0);
    for (i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
}

int main(void)
{
    static char line[1 << 20];
    FILE *in = stdin;

    while (fgets(line, sizeof line, in)) {
        char *a[6] = {0}, *rest = NULL, *s;
        int n = 0, r = 0;
        long t;
        line[strcspn(line, "\n")] = 0;
        for (s = strtok_r(line, " ", &rest); s && n < 6; s = strtok_r(NULL, " ", &rest))
            a[n++] = s;
        if (!n)
            continue;
        t = now_ms();
        if (!strcmp(a[0], "open")) r = open_full(a[1]);
        else if (!strcmp(a[0], "credentials")) {
            char *k = own(a[1]), *c = own(a[2]), *o = own(a[3]);
            r = s3cam_set_credentials(cam, k, c, o);
            spoil(k), spoil(c), spoil(o);
        } else if (!strcmp(a[0], "tags")) r = s3cam_set_tags(cam, !strcmp(a[1], "-") ? NULL : a[1]);
        else if (!strcmp(a[0], "start")) r = s3cam_start(cam);
        else if (!strcmp(a[0], "put")) r = put_parts(a[1][0], a[2], a[3]);
        else if (!strcmp(a[0], "slice")) r = put_slice(atoi(a[1]), a[2], (size_t)atol(a[3]));
        else if (!strcmp(a[0], "flush")) r = s3cam_flush(cam);
        else if (!strcmp(a[0], "close")) r = s3cam_close(cam, (uint32_t)strtoul(a[1], NULL, 10)), cam = NULL;
        else if (!strcmp(a[0], "counters")) counters();
        else if (!strcmp(a[0], "error")) {
            char text[300];
            r = s3cam_error_text(cam, text, sizeof text);
            printf("text %s\n", text);
        } else if (!strcmp(a[0], "arguments")) arguments(atoi(a[1]));
        else if (!strcmp(a[0], "stress")) stress(atol(a[1]));
        else if (!strcmp(a[0], "linit")) {
            char *x = own(a[2]), *b = own(a[3]), *p = own(a[4]), *e = own(a[5]);
            r = S3_HLS_SDK_Initialize((uint32_t)strtoul(a[1], NULL, 10), x, b, p, e);
            spoil(x), spoil(b), spoil(p), spoil(e);
        } else if (!strcmp(a[0], "lcredentials")) {
            char *k = own(a[1]), *c = own(a[2]), *o = own(a[3]);
            r = S3_HLS_SDK_Set_Credential(k, c, o);
            spoil(k), spoil(c), spoil(o);
        } else if (!strcmp(a[0], "ltags")) {
            char *x = own(a[1]);
            r = S3_HLS_SDK_Set_Tag(x);
            spoil(x);
        } else if (!strcmp(a[0], "lstart")) r = S3_HLS_SDK_Start_Upload();
        else if (!strcmp(a[0], "lput")) r = put_pack(a[1][0], a[2], a[3]);
        else if (!strcmp(a[0], "lfinalize")) r = S3_HLS_SDK_Finalize();
        else if (!strcmp(a[0], "larguments")) legacy_arguments(atoi(a[1]));
        else if (!strcmp(a[0], "ignore-sigchld")) signal(SIGCHLD, SIG_IGN);
        else if (!strcmp(a[0], "block-signals")) {
            sigset_t all;
            sigfillset(&all);
            pthread_sigmask(SIG_BLOCK, &all, NULL);
        } else if (!strcmp(a[0], "close-stdin")) { /* as in firmware without standard input: the next socket pair is 0 and 3 */
            in = fdopen(fcntl(0, F_DUPFD, 9), "r");
            r = close(0);
        } else if (!strcmp(a[0], "fork")) { /* as daemon() does */
            if (fork())
                _exit(0);
        } else if (!strcmp(a[0], "exit")) {
            fflush(stdout);
            return 0;
        } else r = -99;
        printf("%s %d %ld\n", a[0], r, now_ms() - t);
        fflush(stdout);
    }
    return 0;
}
