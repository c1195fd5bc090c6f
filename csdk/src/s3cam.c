/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The camera's end of docs/ref/wire.md, for s3cam.h and S3_HLS_SDK.h. Written to be small: what can be left to the agent is, and messages that
 * must be sent again to a new agent are kept as bytes.
 *
 * A handle has one lock. It is held while a message is written, for put_ms at most, and never while waiting for anything else or calling
 * back. One thread at a time reads the socket and changes fd, "the supervisor": the caller in s3cam_open, then the thread of s3cam_start,
 * or else the caller of s3cam_close. fd is closed with the lock held, so no other thread writes to a stranger's descriptor.
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

/* Numbers on the wire are little endian. */
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LE16(v) __builtin_bswap16(v)
#define LE32(v) __builtin_bswap32(v)
#define LE64(v) __builtin_bswap64(v)
#else
#define LE16(v) ((uint16_t)(v))
#define LE32(v) ((uint32_t)(v))
#define LE64(v) ((uint64_t)(v))
#endif

/* Message types. */
enum { ZEROS, HELLO, CONFIG, CREDENTIALS, TAGS, START, FLUSH, CLOSE, SLOTS, VIDEO = 0x10, AUDIO };
enum { READY = 0x82, ERROR, COUNTERS, DROP, CLOSED };
enum { AGAIN = 0xff & ~(1 << FLUSH) }; /* bits by type: what a new agent must be told, if there is such a message */

/* Times in milliseconds. */
enum { TICK = 250, DEADLINE = 20, READY_LIMIT = 5000, STUCK_LIMIT = 10000, DRAIN = 10000 };

/* Words of the counters, in the order of s3cam_counters. */
enum { LOST_VIDEO, LOST_AUDIO, LOST_AGENTS, CONNECTS, TOLD, SETTLED = TOLD + 1, PENDING = TOLD + 8, WORDS = TOLD + 17 };

enum { BODY = 8192 - 16, REPLY = 1024 }; /* payload of one of our control messages, of one of the agent's messages */

struct head {
    uint8_t type, flags;
    uint16_t lost;
    uint32_t length;
    uint64_t time;
};

struct message {
    struct head head;
    uint8_t body[BODY];
};

struct s3cam {
    pthread_mutex_t lock;
    pthread_t thread; /* valid when threaded */
    pid_t pid;        /* of the agent, 0 = none or not ours */

    /* What begin clears starts here. Words where bytes would do: they make the code smaller. */
    int fd;           /* -1: no connection */
    unsigned open;    /* between begin and finish */
    unsigned ready;   /* the agent takes frames */
    unsigned skip;    /* pictures are dropped until the next IDR */
    unsigned kept;    /* bits by type: there is such a message in msg */
    unsigned due;     /* bits by type: it must be sent */
    uint32_t owed;    /* bytes that are missing of the message that was broken off */
    uint32_t have;    /* bytes of in */
    uint32_t sent;    /* pictures on this connection */
    uint32_t since;   /* connected, or last seen to take data */
    uint32_t retry;   /* not before this time the next agent is looked for */
    uint32_t until;   /* end of the drain */
    uint32_t put_ms;  /* longest wait of a put */
    uint32_t lost[2]; /* pictures, audio frames since the last one that arrived */
    unsigned news;    /* footage was lost since the last put through the S3_HLS API */
    unsigned tries;   /* connections since the last that worked */
    unsigned closed;  /* the agent has answered CLOSE */
    unsigned threaded;
    s3cam_drop_fn *on_drop;
    void *user;                             /* &camera: opened through the S3_HLS API */
    struct iovec part[S3CAM_MAX_PARTS + 2]; /* of the message that is being sent */
    struct head head;                       /* of a media message */
    struct sockaddr_un addr;
    char agent[256];
    char text[192]; /* of the last error */
    unsigned code;  /* of it */
    size_t len[SLOTS];
    uint64_t word[WORDS];
    struct {
        struct head head;
        union {
            uint64_t word[REPLY / 8];
            char text[REPLY + 8];
        } u;
    } in;
    /* What begin clears ends here. */

    struct message draft;      /* while it is made */
    struct message msg[SLOTS]; /* by type; msg[ZEROS] stays zero and is what is owed */
};

enum { HEAD = sizeof(struct head) };

/* The handle of the S3_HLS API. It is made at the first need and then kept, so that late calls meet one that is closed. */
static s3cam *camera;

/* A clock in milliseconds that is never set; differences count. Where old C libraries keep clock_gettime in a library that link lines for the
 * original SDK do not name, it is good to 10 ms only. */
static uint32_t now(void)
{
#if defined S3CAM_USE_TIMES || defined __UCLIBC__ || (defined __GLIBC__ && __GLIBC__ == 2 && __GLIBC_MINOR__ < 17)
    return (uint32_t)times(NULL) * 10u;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)t.tv_sec * 1000u + (uint32_t)t.tv_nsec / 1000000u;
#endif
}

/* Milliseconds until t; 0 when it is past. */
static int left(uint32_t t)
{
    int32_t n = (int32_t)(t - now());
    return n > 0 ? n : 0;
}

/* Not copied into each place: a call takes less room. */
__attribute__((noinline)) static int wait_for(int fd, short events, int ms)
{
    struct pollfd p;
    p.fd = fd;
    p.events = events;
    return poll(&p, 1, ms);
}

/* Copies what fits. Returns 0 if that is not all. */
static int copy(char *dst, size_t size, const char *src)
{
    while (--size && *src)
        *dst++ = *src++;
    *dst = 0;
    return !*src;
}

static void lock(s3cam *h) { pthread_mutex_lock(&h->lock); }
static void unlock(s3cam *h) { pthread_mutex_unlock(&h->lock); }

/* ---- sending; the lock is held ---- */

/* Sends the n parts of a new message, or of what is owed. What cannot be sent in time of a message that was begun, is owed. */
static int transmit(s3cam *h, uint8_t n, uint32_t until)
{
    struct iovec *v = h->part;
    struct msghdr m;
    size_t whole = 0, done;
    uint8_t i;

    memset(&m, 0, sizeof m);
    if (!h->owed) {
        for (i = 0; i < n; i++)
            whole += v[i].iov_len;
        h->owed = (uint32_t)whole;
    }
    for (;;) {
        ssize_t r;
        m.msg_iov = v;
        m.msg_iovlen = n;
        r = sendmsg(h->fd, &m, MSG_NOSIGNAL);
        if (r < 0) {
            if (errno == EINTR || (errno == EAGAIN && wait_for(h->fd, POLLOUT, left(until))))
                continue;
            break; /* no time, or no agent: that is the supervisor's business */
        }
        done = (size_t)r;
        h->owed -= (uint32_t)done;
        while (done >= v->iov_len) {
            done -= v++->iov_len;
            if (!--n)
                return S3CAM_OK;
        }
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
    while (h->owed || h->due) {
        unsigned type = ZEROS;
        h->part[0].iov_len = h->owed < BODY ? h->owed : BODY;
        if (!h->owed) {
            while (!(h->due >> ++type & 1))
                ;
            h->part[0].iov_len = h->len[type];
        }
        h->part[0].iov_base = &h->msg[type];
        if (transmit(h, 1, until))
            return S3CAM_EFULL;
        h->due &= ~(1u << type);
    }
    return S3CAM_OK;
}

/*
 * Makes a message of texts and then numbers, as fields with the tags 1 and so on, and sends it as soon as possible. NULL, "" and 0 are left
 * out. If it is too long nothing has changed.
 */
static int compose(s3cam *h, unsigned type, const char *const *text, unsigned texts, const uint32_t *number, unsigned numbers)
{
    struct message *m;
    unsigned i;
    size_t at = 0;
    int r = S3CAM_EINVAL;

    if (!h)
        return r;
    lock(h);
    m = &h->draft;
    if (!h->open)
        goto out;
    for (i = 0; i < texts + numbers; i++) {
        uint32_t v = 0;
        const void *from = &v;
        size_t n = 0;
        if (i >= texts) {
            v = LE32(number[i - texts]);
            n = v ? sizeof v : 0;
        } else if (text[i]) {
            from = text[i];
            n = strlen(text[i]);
        }
        if (n > BODY - 4 - at)
            goto out;
        if (n) {
            m->body[at++] = (uint8_t)(i + 1);
            m->body[at++] = (uint8_t)n;
            m->body[at++] = (uint8_t)(n >> 8);
            memcpy(m->body + at, from, n);
            at += n;
        }
        if (at > BODY - 4)
            goto out;
    }
    m->body[at++] = 1;
    m->head.type = (uint8_t)type;
    m->head.length = LE32(at);
    h->len[type] = at += HEAD;
    memcpy(&h->msg[type], m, at);
    h->due |= 1u << type;
    h->kept |= h->due;
    if (type == CLOSE) {
        h->open = 0;
        h->until = now() + *number + TICK;
    }
    pump(h, now() + h->put_ms);
    r = S3CAM_OK;
out:
    unlock(h);
    return r;
}

/* ---- the supervisor ---- */

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

static void native(uint64_t *w, size_t n)
{
    for (; n--; w++)
        *w = LE64(*w);
}

/* Takes one message of n bytes after its header. The lock is held. */
static void take(s3cam *h, size_t n)
{
    char *text = h->in.u.text;
    s3cam_drop d;

    switch (h->in.head.type) {
    case READY:
        h->ready = 1;
        h->word[CONNECTS]++;
        break;
    case ERROR:
        if (n >= 2) {
            h->code = (uint8_t)text[0] | (unsigned)(uint8_t)text[1] << 8;
            copy(h->text, sizeof h->text, text + 2);
        }
        break;
    case CLOSED:
        h->closed = 1;
        /* fall through */
    case COUNTERS:
        h->tries = 0;
        n &= ~(size_t)7;
        if (n > sizeof h->word[0] * (WORDS - TOLD))
            n = sizeof h->word[0] * (WORDS - TOLD);
        memcpy(h->word + TOLD, text, n);
        native(h->word + TOLD, n / 8);
        break;
    case DROP:
        if (n >= 40) {
            native(h->in.u.word, 5);
            memcpy(&d, text, 40);
            d.key = text + 40;
            report(h, &d);
        }
        break;
    default:
        break;
    }
}

/* Takes the messages that have been received. Returns 0 if there is something that is none. */
static int parse(s3cam *h)
{
    while (h->have >= HEAD) {
        uint32_t n = LE32(h->in.head.length), end = n + HEAD;
        char next, *p;
        if (n > REPLY)
            return 0;
        if (h->have < end)
            break;
        p = (char *)&h->in + end;
        next = *p;
        *p = 0; /* texts */
        take(h, n);
        *p = next;
        h->have -= end;
        memmove(&h->in, p, h->have);
    }
    return 1;
}

/* Ends a connection that is of no use any more, and counts what went down with it. The lock is held. */
static void hang_up(s3cam *h)
{
    s3cam_drop d;
    int32_t frames;

    close(h->fd);
    h->fd = -1;
    h->ready = 0;
    memset(&d, 0, sizeof d);
    d.reason = S3CAM_DROP_AGENT_LOST;
    d.key = "";
    frames = (int32_t)(h->sent - (uint32_t)h->word[SETTLED]);
    memset(h->word + TOLD, 0, sizeof h->word - TOLD * sizeof h->word[0]);
    h->sent = 0;
    h->skip = 1;
    if (frames > 0) {
        d.frames = (uint32_t)frames;
        h->word[LOST_AGENTS] += d.frames;
        report(h, &d);
    }
}

/* Looks for a daemon, or starts an agent, and tells it all. */
static void dial(s3cam *h)
{
    static char fd[] = "--fd", three[] = "3";
    int sv[2], c;
    char *argv[4];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t set;

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
    r = recv(h->fd, (char *)&h->in + h->have, HEAD + REPLY - h->have, 0);
    ok = r > 0 || (r < 0 && (errno == EAGAIN || errno == EINTR));
    lock(h);
    if (h->fd >= 0) {
        if (r > 0) {
            h->have += (uint32_t)r;
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
    int i, r = S3CAM_OK;

    if (drain > 1u << 30)
        drain = 1u << 30;
    if (compose(h, CLOSE, NULL, 0, &drain, 1))
        return r; /* somebody else does it, or has */
    if (h->threaded)
        pthread_join(h->thread, NULL);
    else
        while (h->fd >= 0 && step(h))
            ;
    lock(h);
    close(h->fd);
    h->fd = -1;
    if (!h->closed || h->word[PENDING])
        r = S3CAM_EFULL;
    unlock(h);
    for (i = 50; i && h->pid > 0; i--) {
        if (waitpid(h->pid, NULL, WNOHANG))
            h->pid = 0;
        else
            wait_for(-1, 0, 10);
    }
    return r;
}

/* Keeps an option, or what the environment says, or the default. Returns 0 if it is too long. */
static int keep(char *dst, size_t size, const char *s, const char *variable, const char *otherwise)
{
    if (!s)
        s = getenv(variable);
    return copy(dst, size, s ? s : otherwise);
}

/* Opens a handle that is not open, with the texts and numbers of s3cam_options. When this fails, h->text or the result says why. */
static int begin(s3cam *h, const char *const *text, const uint32_t *number, s3cam_drop_fn *on_drop, void *user)
{
    static const char hello[] = "\1\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0s3cm\1\0\1\0\0\0\0\0s3cam-c\1";
    int r = S3CAM_EINVAL;

    lock(h);
    if (h->open) {
        unlock(h);
        return r;
    }
    memset((char *)h + offsetof(s3cam, fd), 0, offsetof(s3cam, draft) - offsetof(s3cam, fd));
    h->open = 1;
    h->fd = -1;
    h->put_ms = number[3] ? number[3] : DEADLINE;
    h->on_drop = on_drop;
    h->user = user;
    h->len[HELLO] = sizeof hello - 1;
    memcpy(&h->msg[HELLO], hello, sizeof hello - 1);
    h->kept = 1 << HELLO;
    unlock(h);
    if (h->pid > 0) /* of the camera before, which has had its time */
        waitpid(h->pid, NULL, WNOHANG);
    h->pid = 0;
    h->addr.sun_family = AF_UNIX;
    if (keep(h->addr.sun_path, sizeof h->addr.sun_path, text[5], "S3CAM_SOCKET", "/var/run/s3cam/agent.sock") &&
        keep(h->agent, sizeof h->agent, text[6], "S3CAM_AGENT", "s3cam-agent") && !compose(h, CONFIG, text, 5, number, 3)) {
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
    union {
        s3cam_options o;
        struct { /* the same as arrays */
            size_t size;
            const char *text[7];
            uint32_t number[4];
        } a;
    } u;
    s3cam *h = NULL;
    int r = S3CAM_EINVAL;
    const char *why = "wrong or too long options";

    if (handle && options && options->size >= sizeof *options) {
        u.o = *options;
        r = S3CAM_ENOMEM;
        h = make();
        if (h)
            r = begin(h, u.a.text, u.a.number, u.o.on_drop, u.o.user);
    }
    if (r == S3CAM_EAGENT)
        why = h->text[0] ? h->text : "no agent can be started, or none answers";
    if (text && size)
        copy(text, size, r ? why : "");
    if (r) {
        free(h);
        h = NULL;
    }
    if (handle)
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
    int r = compose(h, START, NULL, 0, NULL, 0);

    if (!r) {
        lock(h);
        if (h->open && !h->threaded) {
            if (pthread_create(&h->thread, NULL, supervise, h))
                r = S3CAM_EAGENT;
            else
                h->threaded = 1;
        }
        unlock(h);
    }
    return r;
}

/* ---- settings and counters ---- */

int s3cam_set_credentials(s3cam *h, const char *key, const char *secret, const char *token)
{
    const char *s[3];

    s[0] = key;
    s[1] = secret;
    s[2] = token;
    return key && secret ? compose(h, CREDENTIALS, s, 3, NULL, 0) : S3CAM_EINVAL;
}

int s3cam_set_tags(s3cam *h, const char *tags) { return compose(h, TAGS, &tags, 1, NULL, 0); }

int s3cam_flush(s3cam *h) { return compose(h, FLUSH, NULL, 0, NULL, 0); }

int s3cam_get_counters(s3cam *h, s3cam_counters *c)
{
    size_t n;

    if (!h || !c || c->size < offsetof(s3cam_counters, lost_video))
        return S3CAM_EINVAL;
    n = c->size - offsetof(s3cam_counters, lost_video);
    memset(&c->lost_video, 0, n);
    lock(h);
    memcpy(&c->lost_video, h->word, n < sizeof h->word ? n : sizeof h->word);
    unlock(h);
    return S3CAM_OK;
}

int s3cam_error_text(s3cam *h, char *text, size_t size)
{
    int r;

    if (!h || !text || !size)
        return S3CAM_EINVAL;
    lock(h);
    copy(text, size, h->text);
    r = (int)h->code;
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
    static uint8_t whole = 1;
    struct iovec *v;
    size_t i, size = 1;
    uint32_t until, lost, one = 1;
    int slice = 0, r = S3CAM_EINVAL;

    if (!h || !f || !f->part || f->parts > S3CAM_MAX_PARTS)
        return r;
    until = now();
    lock(h);
    until += h->put_ms;
    v = h->part + 1;
    memcpy(v, f->part, f->parts * sizeof *v);
    for (i = 0; i < f->parts; i++, v++) {
        if (v->iov_len > S3CAM_MAX_FRAME || (v->iov_len && !v->iov_base))
            goto out;
        size += v->iov_len;
    }
    if (size - 2 >= S3CAM_MAX_FRAME)
        goto out;
    v->iov_base = &whole;
    v->iov_len = 1;
    if (!audio)
        slice = first_slice(h->part + 1, i);
    r = S3CAM_ECLOSED;
    if (!h->open)
        goto out;
    r = S3CAM_EFULL;
    lost = h->lost[audio];
    if (h->ready && !(h->skip && slice && slice != IDR_BEGINS) && !pump(h, until)) {
        h->head.type = (uint8_t)(VIDEO + audio);
        h->head.lost = LE16(lost < 65535 ? lost : 65535);
        h->head.length = LE32(size);
        h->head.time = LE64(f->pts_us);
        h->part[0].iov_base = &h->head;
        h->part[0].iov_len = HEAD;
        r = transmit(h, (uint8_t)(i + 2), until);
    }
    if (!r) {
        h->lost[audio] = 0;
        h->sent += (unsigned)slice & 1;
        if (slice == IDR_BEGINS)
            h->skip = 0;
        if (h->news && h->user == &camera) {
            h->news = 0;
            r = S3CAM_EFULL;
        }
    } else {
        if (!audio) {
            if (h->skip)
                one = (unsigned)slice & 1; /* a picture; else something of a picture that is counted already */
            h->skip = 1;
        }
        h->word[audio] += one;
        h->lost[audio] = lost + one;
    }
out:
    unlock(h);
    return r;
}

int s3cam_put_video(s3cam *h, const s3cam_frame *frame) { return put(h, 0, frame); }
int s3cam_put_audio(s3cam *h, const s3cam_frame *frame) { return put(h, 1, frame); }

/* ---- the S3_HLS API ---- */

#define FF4 0xFF, 0xFF, 0xFF, 0xFF
#define FF44 FF4, FF4, FF4, FF4, FF4, FF4, FF4, FF4, FF4, FF4, FF4
uint8_t const_fill_word[S3_HLS_TS_PACKET_SIZE] = {FF44, FF44, FF44, FF44, FF4, FF4, FF4};

int32_t S3_HLS_SDK_Initialize(uint32_t buffer_size, char *region, char *bucket, char *prefix, char *endpint)
{
    const char *text[7] = {0};
    uint32_t number[4] = {0};

    text[0] = region;
    text[1] = bucket;
    text[2] = prefix;
    text[3] = endpint;
    number[0] = buffer_size;
    number[2] = S3CAM_BUCKET_IN_HOST | S3CAM_BUCKET_ROOT;
    if (!region || !bucket || strlen(region) < 3)
        return S3_HLS_UNKNOWN_INTERNAL_ERROR;
    if (!camera)
        camera = make();
    return camera && !begin(camera, text, number, NULL, &camera) ? S3_HLS_OK : S3_HLS_UNKNOWN_INTERNAL_ERROR;
}

int32_t S3_HLS_SDK_Set_Credential(char *ak, char *sk, char *token) { return s3cam_set_credentials(camera, ak, sk, token); }

int32_t S3_HLS_SDK_Set_Tag(char *object_tag) { return s3cam_set_tags(camera, object_tag); }

int32_t S3_HLS_SDK_Start_Upload(void) { return s3cam_start(camera); }

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
/* What is copied as arrays, or as another struct. */
LAYOUT(part, sizeof(s3cam_part), sizeof(s3cam_part), sizeof(struct iovec));
LAYOUT(part_size, offsetof(s3cam_part, size), offsetof(s3cam_part, size), offsetof(struct iovec, iov_len));
LAYOUT(numbers, 64, 32, offsetof(s3cam_options, ring_bytes));
LAYOUT(callback, 80, 48, offsetof(s3cam_options, on_drop));
LAYOUT(counters, 8 * WORDS, 8 * WORDS, sizeof(s3cam_counters) - offsetof(s3cam_counters, lost_video));
LAYOUT(drop, 40, 40, offsetof(s3cam_drop, key));
LAYOUT(head, 16, 16, sizeof(struct head));
