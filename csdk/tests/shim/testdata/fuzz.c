/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds the library's parser of replies with damaged messages: as a libFuzzer target (clang -fsanitize=fuzzer -DLIBFUZZER), or by
 * itself: fuzz SECONDS SEED FILE..., where the files are messages to start from. It includes the library to reach what is static.
 */
#include "s3cam.c"

#include <stdio.h>

/* What must hold after any input. */
#define MUST(x) do { if (!(x)) { fprintf(stderr, "%s does not hold\n", #x); abort(); } } while (0)

static size_t reported;

static void on_drop(void *user, const s3cam_drop *d)
{
    s3cam *h = user;
    MUST(strlen(d->key) <= REPLY);
    MUST(!pthread_mutex_trylock(&h->lock)); /* not held */
    pthread_mutex_unlock(&h->lock);
    reported++;
}

/* Feeds the bytes in reads whose sizes come from the data, as step does, and looks for the first slice in parts of the same sizes. */
static void feed(const uint8_t *p, size_t n)
{
    static s3cam *h;
    struct iovec v[64];
    size_t parts = 0, at;
    uint8_t *flat;
    int one, ok = 1;

    if (!h)
        h = make();
    memset((char *)h + offsetof(s3cam, fd), 0, offsetof(s3cam, draft) - offsetof(s3cam, fd));
    h->fd = -1;
    h->on_drop = on_drop;
    h->user = h;
    for (at = 0; at < n && ok;) {
        size_t room = (size_t)(HEAD + REPLY - h->have), k = 1 + (p[at] * 7u + n) % 900;
        MUST(room > 0);
        if (k > n - at)
            k = n - at;
        if (k > room)
            k = room;
        memcpy((char *)&h->in + h->have, p + at, k);
        h->have += (uint32_t)k;
        at += k;
        lock(h);
        ok = parse(h);
        unlock(h);
        MUST(memchr(h->text, 0, sizeof h->text));
    }
    flat = malloc(n ? n : 1); /* exact, so that reading past the end is seen */
    if (n)
        memcpy(flat, p, n);
    v[0].iov_base = flat;
    v[0].iov_len = n;
    one = first_slice(v, 1);
    for (at = 0; at < n && parts < 64; parts++) {
        size_t k = parts == 63 ? n - at : p[at] % 5u;
        if (k > n - at)
            k = n - at;
        v[parts].iov_base = flat + at;
        v[parts].iov_len = k;
        at += k;
    }
    if (at == n)
        MUST(first_slice(v, parts) == one);
    free(flat);
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    feed(p, n);
    return 0;
}
#else
static uint32_t state;

static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % below;
}

int main(int argc, char **argv)
{
    static uint8_t seed[32][8192], buf[16384];
    static size_t size[32];
    uint32_t until, rounds = 0, seeds = 0;
    int i;

    if (argc < 4)
        return 2;
    for (i = 3; i < argc && seeds < 32; i++) {
        FILE *f = fopen(argv[i], "rb");
        MUST(f);
        size[seeds] = fread(seed[seeds], 1, sizeof seed[0], f);
        fclose(f);
        feed(seed[seeds], size[seeds]);
        seeds++;
    }
    MUST(reported > 0); /* so the seeds are understood */
    state = (uint32_t)strtoul(argv[2], NULL, 10) | 1;
    until = now() + 1000u * (uint32_t)strtoul(argv[1], NULL, 10);
    for (; left(until); rounds++) {
        size_t n = 0;
        uint32_t k, damage = any(6);
        for (k = 1 + any(4); k; k--) { /* some messages in a row */
            uint32_t s = any(seeds);
            if (n + size[s] > sizeof buf)
                break;
            memcpy(buf + n, seed[s], size[s]);
            n += size[s];
        }
        for (; damage && n; damage--) {
            uint32_t at = any((uint32_t)n);
            switch (any(4)) {
            case 0:
                buf[at] = (uint8_t)any(256);
                break;
            case 1:
                buf[at] = (uint8_t)(buf[at] ^ 1u << any(8));
                break;
            case 2:
                n = at;
                break;
            default:
                memmove(buf + at, buf + at + 1, --n - at);
                break;
            }
        }
        feed(buf, n);
    }
    printf("%u inputs, %u drops\n", (unsigned)rounds, (unsigned)reported);
    return 0;
}
#endif
