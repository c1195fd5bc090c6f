/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cameras SOCKET N: N handles of s3cam.h and the one of the S3_HLS API in one process, all at the same time from two threads each. Each
 * puts its own access unit once for every way to cut it into two or three parts, with start codes of 3 and of 4 bytes.
 * orders SOCKET SEED: calls of the S3_HLS API in random order, with arguments of all kinds; results are compared with what they should be.
 * It includes the library to ask it what it sees in the parts.
 */
#include "s3cam.c"

#include <stdio.h>

#define MUST(x) do { if (!(x)) { fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #x); exit(1); } } while (0)

enum { CAMERAS = 8, SOUNDS = 500 };

typedef struct {
    s3cam *h; /* NULL: the S3_HLS API */
    uint8_t id;
} device;

static const char *path;

/* Delimiter, SPS, PPS, SEI and an IDR picture of two slices; or a P picture. The last byte says whose it is. */
static size_t unit(uint8_t *p, int code, int idr, uint8_t id)
{
    static const uint8_t nal[][6] = {{2, 9, 0xf0}, {4, 0x67, 0x42, 0, 0x1e}, {3, 0x68, 0xce, 0x38}, {4, 6, 5, 1, 0x80}, {4, 0x65, 0x88, 0x80, 1}, {3, 0x65, 0x40, 2}};
    static const uint8_t inter[] = {3, 0x41, 0x9a, 1};
    size_t n = 0, i;

    for (i = 0; i < (idr ? sizeof nal / sizeof nal[0] : 1); i++) {
        const uint8_t *s = idr ? nal[i] : inter;
        memset(p + n, 0, 3);
        n += (size_t)code - 1;
        p[n++] = 1;
        memcpy(p + n, s + 1, s[0]);
        n += s[0];
    }
    p[n++] = id;
    return n;
}

/* Puts one unit in parts that are cut at i and k and lie in memory of their own, so that reading past one is seen. */
static void put_cut(device *d, const uint8_t *p, size_t n, size_t i, size_t k, int idr, uint64_t pts)
{
    size_t from[4], j;
    uint8_t *own[3];
    s3cam_part part[3];
    s3cam_frame f;

    from[0] = 0;
    from[1] = i;
    from[2] = k;
    from[3] = n;
    for (j = 0; j < 3; j++) {
        part[j].size = from[j + 1] - from[j];
        own[j] = malloc(part[j].size ? part[j].size : 1);
        MUST(own[j]);
        memcpy(own[j], p + from[j], part[j].size);
        part[j].data = own[j];
    }
    MUST(first_slice((const struct iovec *)(const void *)part, 3) == (idr ? IDR_BEGINS : 1 << 1 | 1));
    if (d->h) {
        f.part = part;
        f.parts = 3;
        f.pts_us = pts;
        MUST(s3cam_put_video(d->h, &f) == S3CAM_OK);
    } else { /* an item of two parts, and one of one */
        S3_HLS_FRAME_PACK pack;
        int32_t r;
        int tries = 0;
        memset(&pack, 0xee, sizeof pack);
        for (j = 0; j < 2; j++) {
            pack.items[j].first_part_start = own[2 * j];
            pack.items[j].first_part_length = (uint32_t)part[2 * j].size;
            pack.items[j].second_part_start = j ? NULL : own[1];
            pack.items[j].second_part_length = j ? 0 : (uint32_t)part[1].size;
            pack.items[j].timestamp = pts + j;
        }
        pack.item_count = 2;
        while ((r = S3_HLS_SDK_Put_Video_Frame(&pack)) == S3_HLS_BUFFER_OVERFLOW && idr && ++tries < 500)
            ; /* its deadline is fixed: under valgrind the agent may be behind */
        MUST(r == S3_HLS_OK || (r == S3_HLS_BUFFER_OVERFLOW && !idr));
    }
    for (j = 0; j < 3; j++)
        free(own[j]);
}

static void *video(void *arg)
{
    device *d = arg;
    uint8_t p[64];
    uint64_t pts = 0;
    int code, idr;

    for (code = 3; code <= 4; code++) {
        for (idr = 1; idr >= 0; idr--) {
            size_t n = unit(p, code, idr, d->id), i, k;
            for (i = 0; i <= n; i++)
                for (k = i; k <= n; k++)
                    put_cut(d, p, n, i, k, idr, pts++);
        }
    }
    return NULL;
}

static void *audio(void *arg)
{
    device *d = arg;
    unsigned i;

    for (i = 0; i < SOUNDS; i++) {
        uint8_t data[40];
        s3cam_part part;
        s3cam_frame f;
        memset(data, d->id, sizeof data);
        part.data = data;
        part.size = sizeof data;
        f.part = &part;
        f.parts = 1;
        f.pts_us = i;
        if (d->h) {
            MUST(s3cam_put_audio(d->h, &f) == S3CAM_OK);
        } else {
            S3_HLS_FRAME_PACK pack;
            memset(&pack, 0, sizeof pack);
            pack.items[0].first_part_start = data;
            pack.items[0].first_part_length = sizeof data;
            pack.items[0].timestamp = i;
            pack.item_count = 1;
            while (S3_HLS_SDK_Put_Audio_Frame(&pack) != S3_HLS_OK)
                ;
        }
    }
    return NULL;
}

static void run_cameras(int n)
{
    static device d[CAMERAS + 1];
    static pthread_t t[2 * (CAMERAS + 1)];
    int i;

    for (i = 0; i <= n; i++) {
        char name[16], text[100];
        snprintf(name, sizeof name, "cam%d", i);
        d[i].id = (uint8_t)(0x10 + i);
        if (i < n) {
            s3cam_options o = S3CAM_OPTIONS_INIT;
            o.region = "eu-west-1";
            o.bucket = "b";
            o.prefix = name;
            o.socket_path = path;
            o.put_deadline_ms = 20000;
            if (s3cam_open(&d[i].h, &o, text, sizeof text) != S3CAM_OK)
                fprintf(stderr, "%s\n", text);
            MUST(d[i].h);
            MUST(s3cam_set_credentials(d[i].h, name, name, name) == S3CAM_OK && s3cam_start(d[i].h) == S3CAM_OK);
        } else {
            char region[] = "eu-west-1", bucket[] = "b";
            MUST(S3_HLS_SDK_Initialize(0, region, bucket, name, NULL) == S3_HLS_OK);
            MUST(S3_HLS_SDK_Set_Credential(name, name, name) == S3_HLS_OK && S3_HLS_SDK_Start_Upload() == S3_HLS_OK);
        }
        memset(name, '#', sizeof name); /* it is the caller's */
    }
    for (i = 0; i <= n; i++) {
        MUST(!pthread_create(&t[2 * i], NULL, video, &d[i]));
        MUST(!pthread_create(&t[2 * i + 1], NULL, audio, &d[i]));
    }
    for (i = 0; i < 2 * (n + 1); i++)
        pthread_join(t[i], NULL);
    for (i = 0; i < n; i++)
        MUST(s3cam_close(d[i].h, 10000) == S3CAM_OK);
    MUST(S3_HLS_SDK_Finalize() == S3_HLS_OK);
}

static void run_orders(uint32_t seed)
{
    char region[] = "eu-west-1", bucket[] = "b", text[] = "abc";
    uint8_t data[64];
    S3_HLS_FRAME_PACK pack;
    int open = 0, opens = 0, n, full = 0;
    uint32_t r = seed | 1;

    memset(&pack, 0, sizeof pack);
    pack.items[0].first_part_start = data;
    pack.items[0].first_part_length = (uint32_t)unit(data, 4, 1, 0);
    for (n = 0; n < 3000; n++) {
        int32_t got;
        char *some;
        r ^= r << 13;
        r ^= r >> 17;
        r ^= r << 5;
        some = r >> 8 & 3 ? text : NULL;
        pack.item_count = r >> 12 & 15 ? 1 : r >> 16 & 7;
        switch (r % 8) {
        case 0:
            got = S3_HLS_SDK_Initialize(r, some ? region : NULL, bucket, some, r >> 16 & 1 ? text : NULL);
            MUST(got == (open || !some ? S3_HLS_UNKNOWN_INTERNAL_ERROR : S3_HLS_OK));
            opens += !open && some;
            open |= some != NULL;
            break;
        case 1:
            got = S3_HLS_SDK_Set_Credential(some, text, r >> 16 & 1 ? text : NULL);
            MUST(got == (open && some ? S3_HLS_OK : S3_HLS_INVALID_PARAMETER));
            break;
        case 2:
            MUST(S3_HLS_SDK_Set_Tag(some) == (open ? S3_HLS_OK : S3_HLS_INVALID_PARAMETER));
            break;
        case 3:
            MUST(S3_HLS_SDK_Start_Upload() == (open ? S3_HLS_OK : S3_HLS_INVALID_PARAMETER));
            break;
        case 4:
            if (r >> 16 & 3) /* not each time, or little else would happen */
                break;
            MUST(S3_HLS_SDK_Finalize() == S3_HLS_OK);
            open = 0;
            break;
        default:
            got = r % 8 == 5 ? S3_HLS_SDK_Put_Audio_Frame(some ? &pack : NULL) : S3_HLS_SDK_Put_Video_Frame(some ? &pack : NULL);
            if (got == S3_HLS_BUFFER_OVERFLOW && open && ++full < 100)
                break;
            if (!open) /* a bad pack has two reasons to be refused */
                MUST(got == S3_HLS_LOCK_FAILED || (got == S3_HLS_INVALID_PARAMETER && !(some && pack.item_count == 1)));
            else
                MUST(got == (some && pack.item_count == 1 ? S3_HLS_OK : S3_HLS_INVALID_PARAMETER));
        }
    }
    MUST(S3_HLS_SDK_Finalize() == S3_HLS_OK);
    MUST(opens > 20);
    printf("%d lives\n", opens);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    path = argv[2];
    setenv("S3CAM_SOCKET", path, 1);
    if (!strcmp(argv[1], "cameras") && atoi(argv[3]) <= CAMERAS)
        run_cameras(atoi(argv[3]));
    else if (!strcmp(argv[1], "orders"))
        run_orders((uint32_t)strtoul(argv[3], NULL, 10));
    else
        return 2;
    free(camera); /* the S3_HLS API keeps it for the next Initialize */
    return 0;
}
