/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The camera's end of docs/ref/wire.md, for s3cam.h and S3_HLS_SDK.h. Written to be small: what can be left to the agent is, messages that must be
 * sent again to a new agent are kept as bytes, and the agent is told only what it needs.
 *
 * A handle has one lock. It is held while a message is written, for put_ms at most, and never while waiting for anything else or calling
 * back. One thread at a time reads the socket and changes fd, "the supervisor": the caller in s3cam_open, then the thread of s3cam_start,
 * then the caller of s3cam_close. fd is closed with the lock held, so no other thread writes to a stranger's descriptor.
 */
#define _POSIX_C_SOURCE 200809L

#include "s3cam.h"
#include "S3_HLS_Return_Code.h"
#include "S3_HLS_SDK.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    HEAD = 16,    /* bytes of a message's header */
    REPLY = 1024, /* payload of the agent's messages, at most */
    SLOT = 8192   /* room for one of the shim's control messages */
};

/* Message types. */
enum { ZEROS, HELLO, CONFIG, CREDENTIALS, TAGS, START, FLUSH, CLOSE, SLOTS, VIDEO = 0x10, AUDIO };
enum { READY = 0x82, ERROR, COUNTERS, DROP, CLOSED };
enum { AGAIN = 1 << HELLO | 1 << CONFIG | 1 << CREDENTIALS | 1 << TAGS | 1 << START }; /* what a new agent must be told */

/* Times in milliseconds. */
enum { TICK = 250, DEADLINE = 20, READY_LIMIT = 5000, STUCK_LIMIT = 10000, DRAIN = 10000 };

/* Words of the counters, in the order of s3cam_counters. */
enum { LOST_VIDEO, LOST_AUDIO, LOST_AGENTS, CONNECTS, TOLD, SETTLED = TOLD + 1, PENDING = TOLD + 8, WORDS = TOLD + 17 };

struct s3cam {
    pthread_mutex_t lock;
    pthread_t thread; /* valid when threaded */
    pid_t pid;        /* of the agent, 0 = none or not ours */

    /* Cleared by begin, up to msg. */
    int fd;             /* -1: no connection */
    uint32_t put_ms;    /* longest wait of a put */
    uint32_t since;     /* connected, or last seen to take data */
    uint32_t retry;     /* not before this time the next agent is looked for */
    uint32_t until;     /* end of the drain */
    uint32_t sent;      /* pictures on this connection */
    uint32_t owed;      /* bytes that are missing of the message that was broken off */
    uint16_t lost[2];   /* pictures, audio frames since the last one that arrived */
    uint16_t have;      /* bytes in in[] */
    uint16_t code;      /* of the last error */
    uint8_t kept;       /* 1 << type: there is such a message in msg */
    uint8_t due;        /* 1 << type: it must be sent */
    uint8_t open;       /* between begin and finish */
    uint8_t ready;      /* the agent takes frames */
    uint8_t closed;     /* the agent has answered CLOSE */
    uint8_t threaded;
    uint8_t skip;       /* pictures are dropped until the next IDR */
    uint8_t news;       /* footage was lost since the last put through the S3_HLS API */
    uint8_t s3_hls;     /* opened through it */
    uint8_t tries;      /* connections since the last that worked */
    s3cam_drop_fn *on_drop;
    void *user;
    uint64_t word[WORDS];
    char text[192]; /* of the last error */
    struct sockaddr_un addr;
    char agent[256];

    uint16_t len[SLOTS];
    uint8_t in[HEAD + REPLY + 1]; /* one byte more, to terminate texts */
    uint8_t msg[SLOTS][SLOT];     /* by type; msg[ZEROS] stays zero and is what is owed */
};

/* A clock in milliseconds that is never set; differences count. Where old C libraries keep clock_gettime in a library that link lines for the
 * original SDK do not name, it is good to 10 ms only. */
#if defined S3CAM_USE_TIMES || defined __UCLIBC__ || (defined __GLIBC__ && __GLIBC__ == 2 && __GLIBC_MINOR__ < 17)
static uint32_t now(void) { return (uint32_t)times(NULL) * 10u; }
#else
static uint32_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)t.tv_sec * 1000u + (uint32_t)t.tv_nsec / 1000000u;
}
#endif

/* Milliseconds until t; 0 when it is past. */
static int left(uint32_t t)
{
    int32_t n = (int32_t)(t - now());
    return n > 0 ? n : 0;
}

static void little(uint8_t *p, uint64_t v, int n)
{
    for (; n; n--, v >>= 8)
        *p++ = (uint8_t)v;
}

static void words(uint64_t *w, const uint8_t *p, size_t n)
{
    for (; n; n--, p += 8) {
        uint64_t v = 0;
        int i = 8;
        while (i)
            v = v << 8 | p[--i];
        *w++ = v;
    }
}

static void copy(char *dst, size_t size, const char *src)
{
    size_t n = strlen(src);
    if (n >= size)
        n = size - 1;
    memcpy(dst, src, n);
    dst[n] = 0;
}

static void lock(s3cam *h) { pthread_mutex_lock(&h->lock); }
static void unlock(s3cam *h) { pthread_mutex_unlock(&h->lock); }

/* ---- sending; the lock is held ---- */

static int wait_for(int fd, short events, int ms)
{
    struct pollfd p;
    p.fd = fd;
    p.events = events;
    return poll(&p, 1, ms);
}

/* Sends a new message, or when bytes are owed, some of them. If it cannot be sent whole in time, what is missing is owed. */
static int transmit(s3cam *h, struct iovec *v, uint8_t n, uint32_t until)
{
    uint32_t whole = 0;
    uint8_t i;

    if (!h->owed) {
        for (i = 0; i < n; i++)
            whole += (uint32_t)v[i].iov_len;
        h->owed = whole;
    }
    for (;;) {
        struct msghdr m;
        ssize_t r;
        size_t done;
        memset(&m, 0, sizeof m);
        m.msg_iov = v;
        m.msg_iovlen = n;
        r = sendmsg(h->fd, &m, MSG_NOSIGNAL);
        if (r < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN || !wait_for(h->fd, POLLOUT, left(until))) /* an agent that is gone is the supervisor's business */
                break;
            continue;
        }
        done = (size_t)r;
        h->owed -= (uint32_t)done;
        for (; n && done >= v->iov_len; n--)
            done -= v++->iov_len;
        if (!n)
            return S3CAM_OK;
        v->iov_base = (uint8_t *)v->iov_base + done;
        v->iov_len -= done;
    }
    if (h->owed == whole)
        h->owed = 0;
    return S3CAM_EFULL;
}

/* Sends what is owed and then what is due. */
static int pump(s3cam *h, uint32_t until)
{
    for (;;) {
        struct iovec v;
        unsigned type = ZEROS;
        if (h->owed) {
            v.iov_len = h->owed < SLOT ? h->owed : SLOT;
        } else {
            if (!h->due)
                return S3CAM_OK;
            while (!(h->due >> type & 1))
                type++;
            v.iov_len = h->len[type];
        }
        v.iov_base = h->msg[type];
        if (transmit(h, &v, 1, until))
            return S3CAM_EFULL;
        h->due = (uint8_t)(h->due & ~(1u << type));
    }
}

/* Makes the message of a type from n fields, of which the empty ones are left out, and sends it as soon as possible. */
static int compose(s3cam *h, unsigned type, const struct iovec *f, unsigned n, uint32_t drain)
{
    size_t size = HEAD + 1;
    unsigned i;
    int r = S3CAM_ECLOSED;

    for (i = 0; i < n; i++) {
        if (f[i].iov_len > SLOT)
            return S3CAM_EINVAL;
        size += f[i].iov_len + 3;
    }
    if (size > SLOT)
        return S3CAM_EINVAL;
    lock(h);
    if (h->open) {
        uint8_t *m = h->msg[type], *p = m + HEAD;
        for (i = 0; i < n; i++) {
            size_t k = f[i].iov_len;
            if (k) {
                little(p, i + 1 + (k << 8), 3);
                memcpy(p + 3, f[i].iov_base, k);
                p += k + 3;
            }
        }
        *p++ = 1;
        size = (size_t)(p - m);
        m[0] = (uint8_t)type;
        little(m + 4, size - HEAD, 4);
        h->len[type] = (uint16_t)size;
        h->due = (uint8_t)(h->due | 1u << type);
        h->kept |= h->due;
        h->until = now() + drain;
        h->open = type != CLOSE;
        pump(h, now() + h->put_ms);
        r = S3CAM_OK;
    }
    unlock(h);
    return r;
}

/* ---- supervisor ---- */

/* Reports a drop. The lock is held, but not during the call. */
static void report(s3cam *h, const s3cam_drop *d)
{
    h->news = 1;
    if (h->on_drop) {
        unlock(h);
        h->on_drop(h->user, d);
        lock(h);
    }
}

/* Takes one message of n bytes after its header. The lock is held. */
static void take(s3cam *h, uint8_t *m, size_t n)
{
    uint8_t *p = m + HEAD, *end = p + n, next = *end;
    union {
        s3cam_drop d;
        uint64_t w[5];
    } u;

    *end = 0;
    switch (m[0]) {
    case READY:
        h->ready = 1;
        h->word[CONNECTS]++;
        break;
    case ERROR:
        if (n >= 2) {
            h->code = (uint16_t)(p[0] | p[1] << 8);
            copy(h->text, sizeof h->text, (char *)p + 2);
        }
        break;
    case CLOSED:
        h->closed = 1;
        /* fall through */
    case COUNTERS:
        h->tries = 0;
        n /= 8;
        words(h->word + TOLD, p, n < WORDS - TOLD ? n : WORDS - TOLD);
        break;
    case DROP:
        if (n >= sizeof u.w) {
            words(u.w, p, 5);
            u.d.key = (char *)p + sizeof u.w;
            report(h, &u.d);
        }
        break;
    default:
        break;
    }
    *end = next;
}

/* Takes what has been received. Returns 0 if it is none of the agent's messages. */
static int parse(s3cam *h)
{
    uint8_t *m = h->in;
    size_t have = h->have;

    while (have >= HEAD) {
        size_t n = m[4] | (size_t)m[5] << 8;
        if (n > REPLY || m[6] || m[7])
            return 0;
        if (have < HEAD + n)
            break;
        take(h, m, n);
        m += HEAD + n;
        have -= HEAD + n;
    }
    memmove(h->in, m, have);
    h->have = (uint16_t)have;
    return 1;
}

/* Ends a connection that is of no use any more, and counts what went down with it. The lock is held. */
static void hang_up(s3cam *h)
{
    s3cam_drop d;

    close(h->fd);
    h->fd = -1;
    h->ready = 0;
    memset(&d, 0, sizeof d);
    d.reason = S3CAM_DROP_AGENT_LOST;
    d.key = "";
    d.frames = h->sent - h->word[SETTLED];
    memset(h->word + TOLD, 0, sizeof h->word - TOLD * sizeof h->word[0]);
    if (h->sent) {
        h->skip = 1;
        h->sent = 0;
        if ((int64_t)d.frames > 0) {
            h->word[LOST_AGENTS] += d.frames;
            report(h, &d);
        }
    }
}

/* Looks for a daemon, or starts an agent, and tells it all. */
static void dial(s3cam *h)
{
    int sv[2], c;

    h->retry = now() + ((uint32_t)TICK << h->tries);
    if (h->tries < 5)
        h->tries++;
    if (h->pid > 0 && !waitpid(h->pid, NULL, WNOHANG)) { /* still there: it hangs, or has not quite ended */
        kill(h->pid, SIGKILL);
        return;
    }
    h->pid = 0;
    sv[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connect(sv[0], (struct sockaddr *)&h->addr, sizeof h->addr)) {
        static char fd[] = "--fd", three[] = "3";
        char *argv[4];
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attr;
        sigset_t set;

        close(sv[0]);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv))
            return;
        c = sv[1] != 3; /* dup2 onto itself would leave it close-on-exec */
        argv[0] = h->agent;
        argv[1] = fd;
        argv[2] = three;
        argv[3] = NULL;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_adddup2(&files, sv[c], 3);
        posix_spawnattr_init(&attr);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        sigemptyset(&set);
        posix_spawnattr_setsigmask(&attr, &set);
        sigfillset(&set);
        sigdelset(&set, SIGKILL); /* old C libraries fail on what cannot be set */
        sigdelset(&set, SIGSTOP);
        posix_spawnattr_setsigdefault(&attr, &set);
        if (posix_spawnp(&h->pid, h->agent, &files, &attr, argv, environ))
            h->pid = 0;
        posix_spawnattr_destroy(&attr);
        posix_spawn_file_actions_destroy(&files);
        close(sv[c]);
        sv[0] = sv[!c]; /* without an agent, the other end is closed now, which is seen soon enough */
    }
    lock(h);
    h->fd = sv[0];
    h->since = now();
    h->have = 0;
    h->owed = 0;
    h->due = h->kept & AGAIN;
    pump(h, h->since);
    unlock(h);
}

/* One round: waits a little for the agent, takes what it says, sends what is due. Returns 0 when nothing more will come. */
static int step(s3cam *h)
{
    ssize_t r;
    int ok;

    if (h->fd < 0 && !left(h->retry))
        dial(h);
    wait_for(h->fd, POLLIN, TICK);
    r = recv(h->fd, h->in + h->have, HEAD + REPLY - h->have, 0);
    ok = r > 0 || (r < 0 && (errno == EAGAIN || errno == EINTR));
    lock(h);
    if (h->fd >= 0) {
        if (r > 0) {
            h->have = (uint16_t)(h->have + r);
            ok = parse(h);
        }
        pump(h, now());
        if (h->ready && wait_for(h->fd, POLLOUT, 0))
            h->since = now();
        if (!ok || now() - h->since > (h->ready ? STUCK_LIMIT : READY_LIMIT))
            hang_up(h);
    }
    ok = !h->closed && (h->open || (h->fd >= 0 && left(h->until)));
    unlock(h);
    return ok;
}

static void *supervise(void *p)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* signals are for the firmware's threads */
    while (step(p))
        ;
    return NULL;
}

/* ---- beginning and end ---- */

static s3cam *make(void)
{
    s3cam *h = calloc(1, sizeof *h);

    if (h)
        pthread_mutex_init(&h->lock, NULL);
    return h;
}

static int finish(s3cam *h, uint32_t drain)
{
    uint8_t ms[4];
    struct iovec f;
    int i, r;

    if (drain > 1u << 30)
        drain = 1u << 30;
    little(ms, drain, sizeof ms);
    f.iov_base = ms;
    f.iov_len = sizeof ms;
    if (compose(h, CLOSE, &f, 1, drain + TICK))
        return S3CAM_OK; /* somebody else does it, or has */
    if (h->threaded)
        pthread_join(h->thread, NULL);
    else
        while (h->fd >= 0 && step(h))
            ;
    lock(h);
    close(h->fd);
    h->fd = -1;
    r = h->closed && !h->word[PENDING] ? S3CAM_OK : S3CAM_EFULL;
    unlock(h);
    for (i = 50; i && h->pid > 0; i--) {
        if (waitpid(h->pid, NULL, WNOHANG))
            h->pid = 0;
        else
            poll(NULL, 0, 10);
    }
    return r;
}

/* Keeps an option, or what the environment says, or the default. Returns 0 if it is too long. */
static int keep(char *dst, size_t size, const char *s, const char *variable, const char *otherwise)
{
    if (!s)
        s = getenv(variable);
    if (!s)
        s = otherwise;
    copy(dst, size, s);
    return strlen(s) < size;
}

/* Opens a handle that is not open. When this fails, h->text or the result says why. */
static int begin(s3cam *h, const s3cam_options *options)
{
    static const char hello[] = "\1\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0s3cm\1\0\1\0\0\0\0\0s3cam-c\1";
    s3cam_options o;
    struct iovec f[8];
    uint8_t number[3][4];
    int i, r;

    memset(&o, 0, sizeof o);
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    lock(h);
    r = h->open;
    if (!r) {
        memset((char *)h + offsetof(s3cam, fd), 0, offsetof(s3cam, msg) - offsetof(s3cam, fd));
        h->open = 1;
        h->fd = -1;
    }
    unlock(h);
    if (r)
        return S3CAM_EINVAL;
    if (h->pid > 0) /* of the camera before, which has had its time */
        waitpid(h->pid, NULL, WNOHANG);
    h->pid = 0;
    h->put_ms = o.put_deadline_ms ? o.put_deadline_ms : DEADLINE;
    h->on_drop = o.on_drop;
    h->user = o.user;
    memcpy(h->msg[HELLO], hello, sizeof hello - 1);
    h->len[HELLO] = sizeof hello - 1;
    h->kept = 1 << HELLO;
    for (i = 0; i < 5; i++) {
        char *s;
        memcpy(&s, (char *)&o + offsetof(s3cam_options, region) + (size_t)i * sizeof s, sizeof s);
        f[i].iov_base = s;
        f[i].iov_len = s ? strlen(s) : 0;
    }
    for (i = 0; i < 3; i++) {
        uint32_t v;
        memcpy(&v, (char *)&o + offsetof(s3cam_options, ring_bytes) + (size_t)i * sizeof v, sizeof v);
        little(number[i], v, 4);
        f[5 + i].iov_base = number[i];
        f[5 + i].iov_len = v ? 4 : 0;
    }
    h->addr.sun_family = AF_UNIX;
    r = S3CAM_EINVAL;
    if (keep(h->addr.sun_path, sizeof h->addr.sun_path, o.socket_path, "S3CAM_SOCKET", "/var/run/s3cam/agent.sock") &&
        keep(h->agent, sizeof h->agent, o.agent_path, "S3CAM_AGENT", "s3cam-agent") && !compose(h, CONFIG, f, 8, 0)) {
        dial(h);
        while (h->fd >= 0 && !h->ready)
            step(h);
        r = h->ready ? S3CAM_OK : S3CAM_EAGENT;
    }
    if (r)
        finish(h, 0);
    return r;
}

int s3cam_open(s3cam **handle, const s3cam_options *options, char *text, size_t size)
{
    s3cam *h = NULL;
    int r = S3CAM_EINVAL;
    const char *why = "an option is too long";

    if (handle && options) {
        *handle = NULL;
        h = make();
        r = h ? begin(h, options) : S3CAM_ENOMEM;
    }
    if (text && size) {
        if (r == S3CAM_EAGENT)
            why = h->text[0] ? h->text : "no agent: it cannot be started, or it does not answer";
        copy(text, size, r ? why : "");
    }
    if (r)
        free(h);
    else
        *handle = h;
    return r;
}

int s3cam_close(s3cam *h, uint32_t drain_ms)
{
    int r = S3CAM_OK;

    if (h) {
        r = finish(h, drain_ms);
        pthread_mutex_destroy(&h->lock);
        free(h);
    }
    return r;
}

int s3cam_start(s3cam *h)
{
    int r;

    if (!h)
        return S3CAM_EINVAL;
    r = compose(h, START, NULL, 0, 0);
    lock(h);
    if (!r && h->open && !h->threaded) {
        if (pthread_create(&h->thread, NULL, supervise, h))
            r = S3CAM_ENOMEM;
        else
            h->threaded = 1;
    }
    unlock(h);
    return r;
}

/* ---- settings and counters ---- */

/* Sends up to three strings. */
static int strings(s3cam *h, unsigned type, const char *a, const char *b, const char *c)
{
    const char *s[3];
    struct iovec f[3];
    int i;

    s[0] = a;
    s[1] = b;
    s[2] = c;
    for (i = 0; i < 3; i++) {
        memcpy(&f[i].iov_base, &s[i], sizeof s[i]);
        f[i].iov_len = s[i] ? strlen(s[i]) : 0;
    }
    return h ? compose(h, type, f, 3, 0) : S3CAM_EINVAL;
}

int s3cam_set_credentials(s3cam *h, const char *key, const char *secret, const char *token)
{
    return key && secret ? strings(h, CREDENTIALS, key, secret, token) : S3CAM_EINVAL;
}

int s3cam_set_tags(s3cam *h, const char *tags) { return strings(h, TAGS, tags, NULL, NULL); }

int s3cam_flush(s3cam *h) { return strings(h, FLUSH, NULL, NULL, NULL); }

int s3cam_get_counters(s3cam *h, s3cam_counters *c)
{
    size_t n;

    if (!h || !c || c->size < sizeof c->size)
        return S3CAM_EINVAL;
    n = c->size;
    memset((char *)c + sizeof c->size, 0, n - sizeof c->size);
    if (n >= offsetof(s3cam_counters, lost_video)) {
        n -= offsetof(s3cam_counters, lost_video);
        lock(h);
        memcpy((char *)c + offsetof(s3cam_counters, lost_video), h->word, n < sizeof h->word ? n : sizeof h->word);
        unlock(h);
    }
    return S3CAM_OK;
}

int s3cam_error_text(s3cam *h, char *text, size_t size)
{
    int r;

    if (!h || !text || !size)
        return S3CAM_EINVAL;
    lock(h);
    copy(text, size, h->text);
    r = h->code;
    unlock(h);
    return r;
}

/* ---- frames ---- */

/*
 * Looks for the first slice (H.264 section 7.4.1, NAL unit types 1 to 5) in parts that may be cut anywhere, within start codes too.
 * Returns 0 if there is none, else its type * 2 + 1 if it begins a picture (first_mb_in_slice is 0, a single bit of 1 in ue(v)).
 */
static int first_slice(const struct iovec *v, size_t n)
{
    uint32_t last = ~0u; /* four bytes */

    for (; n; n--, v++) {
        const uint8_t *p = v->iov_base, *end = p + v->iov_len;
        for (; p < end; last = last << 8 | *p++)
            if (last >> 8 == 1 && (last & 31) - 1 < 5)
                return (int)((last & 31) << 1) | *p >> 7;
    }
    return 0;
}

enum { IDR_BEGINS = 5 << 1 | 1 };

static int put(s3cam *h, int audio, const s3cam_frame *f)
{
    struct iovec v[S3CAM_MAX_PARTS + 2];
    uint8_t head[HEAD + 1];
    size_t i, size = 1, n;
    uint32_t until;
    int slice = 0, r = S3CAM_ECLOSED;

    if (!h || !f || !f->part || f->parts > S3CAM_MAX_PARTS)
        return S3CAM_EINVAL;
    until = now() + h->put_ms;
    n = f->parts;
    for (i = 0; i < n; i++) {
        const s3cam_part *p = f->part + i;
        if (p->size > S3CAM_MAX_FRAME || (p->size && !p->data))
            return S3CAM_EINVAL;
        memcpy(&v[i + 1].iov_base, &p->data, sizeof p->data);
        v[i + 1].iov_len = p->size;
        size += p->size;
    }
    if (size - 2 >= S3CAM_MAX_FRAME)
        return S3CAM_EINVAL;
    if (!audio)
        slice = first_slice(v + 1, n);
    v[0].iov_base = head;
    v[0].iov_len = HEAD;
    v[n + 1].iov_base = head + HEAD;
    v[n + 1].iov_len = 1;
    head[HEAD] = 1;

    lock(h);
    if (h->open) {
        uint32_t lost = h->lost[audio];
        little(head, (uint32_t)(VIDEO + audio) | lost << 16, 4);
        little(head + 4, size, 4);
        little(head + 8, f->pts_us, 8);
        r = S3CAM_EFULL;
        if (h->ready && !(h->skip && slice && slice != IDR_BEGINS) && !(r = pump(h, until)))
            r = transmit(h, v, (uint8_t)(n + 2), until);
        if (!r) {
            h->lost[audio] = 0;
            h->sent += slice & 1;
            if (slice == IDR_BEGINS)
                h->skip = 0;
            if (h->news & h->s3_hls) {
                h->news = 0;
                r = S3CAM_EFULL;
            }
        } else {
            uint32_t one = 1;
            if (!audio) {
                if (h->skip)
                    one = slice & 1; /* a picture; else something of a picture that is counted already */
                h->skip = 1;
            }
            h->word[audio] += one;
            lost += one;
            h->lost[audio] = (uint16_t)(lost < 65535 ? lost : 65535);
        }
    }
    unlock(h);
    return r;
}

int s3cam_put_video(s3cam *h, const s3cam_frame *frame) { return put(h, 0, frame); }
int s3cam_put_audio(s3cam *h, const s3cam_frame *frame) { return put(h, 1, frame); }

/* ---- the S3_HLS API: one handle, which is made at the first need and then kept, so that late calls meet a closed one ---- */

static s3cam *camera;

#define FF4 0xFF, 0xFF, 0xFF, 0xFF
#define FF44 FF4, FF4, FF4, FF4, FF4, FF4, FF4, FF4, FF4, FF4, FF4
uint8_t const_fill_word[S3_HLS_TS_PACKET_SIZE] = {FF44, FF44, FF44, FF44, FF4, FF4, FF4};

int32_t S3_HLS_SDK_Initialize(uint32_t buffer_size, char *region, char *bucket, char *prefix, char *endpint)
{
    s3cam_options o;

    if (!region || !bucket || strlen(region) < 3)
        return S3_HLS_UNKNOWN_INTERNAL_ERROR;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.region = region;
    o.bucket = bucket;
    o.prefix = prefix;
    o.endpoint = endpint;
    o.ring_bytes = buffer_size;
    o.flags = S3CAM_BUCKET_IN_HOST | S3CAM_BUCKET_ROOT;
    if (!camera)
        camera = make();
    if (!camera || begin(camera, &o))
        return S3_HLS_UNKNOWN_INTERNAL_ERROR;
    camera->s3_hls = 1;
    return S3_HLS_OK;
}

/* Put says that nothing is initialised in another way than the rest. */
static int32_t invalid(int r) { return r == S3CAM_ECLOSED ? S3_HLS_INVALID_PARAMETER : r; }

int32_t S3_HLS_SDK_Set_Credential(char *ak, char *sk, char *token) { return invalid(s3cam_set_credentials(camera, ak, sk, token)); }

int32_t S3_HLS_SDK_Set_Tag(char *object_tag) { return invalid(s3cam_set_tags(camera, object_tag)); }

int32_t S3_HLS_SDK_Start_Upload(void)
{
    int r = s3cam_start(camera);
    return r == S3CAM_ENOMEM ? S3_HLS_UNKNOWN_INTERNAL_ERROR : invalid(r);
}

static int32_t put_pack(int audio, const S3_HLS_FRAME_PACK *pack)
{
    s3cam_part part[2 * S3_HLS_SIMPLE_PUT_MAX_FRAME_PER_PACK], *p = part;
    s3cam_frame f;
    uint32_t i;

    if (!camera)
        return S3_HLS_LOCK_FAILED;
    if (!pack || pack->item_count > S3_HLS_SIMPLE_PUT_MAX_FRAME_PER_PACK)
        return S3_HLS_INVALID_PARAMETER;
    for (i = 0; i < pack->item_count; i++, p += 2) {
        const S3_HLS_FRAME_ITEM *item = pack->items + i;
        if (!item->first_part_start)
            return S3_HLS_INVALID_PARAMETER;
        p[0].data = item->first_part_start;
        p[0].size = item->first_part_length;
        p[1].data = item->second_part_start;
        p[1].size = item->second_part_length;
    }
    f.part = part;
    f.parts = (size_t)(p - part);
    f.pts_us = pack->items[0].timestamp;
    return put(camera, audio, &f);
}

int32_t S3_HLS_SDK_Put_Video_Frame(S3_HLS_FRAME_PACK *pack) { return put_pack(0, pack); }

int32_t S3_HLS_SDK_Put_Audio_Frame(S3_HLS_FRAME_PACK *pack) { return put_pack(1, pack); }

int32_t S3_HLS_SDK_Finalize(void)
{
    if (camera)
        finish(camera, DRAIN);
    return S3_HLS_OK;
}

/* The layout that firmware was compiled with: ARM, MIPS and 64-bit systems. On i386 only the end of the pack differs, which nobody sees. */
#define LAYOUT(name, wide, narrow, actual) typedef char layout_##name[(actual) == (sizeof(void *) == 8 ? (wide) : (narrow)) ? 1 : -1]
LAYOUT(first_length, 8, 4, offsetof(S3_HLS_FRAME_ITEM, first_part_length));
LAYOUT(second_start, 16, 8, offsetof(S3_HLS_FRAME_ITEM, second_part_start));
LAYOUT(second_length, 24, 12, offsetof(S3_HLS_FRAME_ITEM, second_part_length));
LAYOUT(timestamp, 32, 16, offsetof(S3_HLS_FRAME_ITEM, timestamp));
LAYOUT(item, 40, 24, sizeof(S3_HLS_FRAME_ITEM));
LAYOUT(count, 160, 96, offsetof(S3_HLS_FRAME_PACK, item_count));
#ifndef __i386__
LAYOUT(pack, 168, 104, sizeof(S3_HLS_FRAME_PACK));
#endif
/* What is copied as arrays. */
LAYOUT(strings, 32, 16, offsetof(s3cam_options, camera) - offsetof(s3cam_options, region));
LAYOUT(numbers, 8, 8, offsetof(s3cam_options, flags) - offsetof(s3cam_options, ring_bytes));
LAYOUT(counters, 8 * WORDS, 8 * WORDS, sizeof(s3cam_counters) - offsetof(s3cam_counters, lost_video));
LAYOUT(drop, 40, 40, offsetof(s3cam_drop, key));
