/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3cam: hands the video and audio of cameras to s3cam-agent, which cuts it into segments and stores them in S3.
 *
 *     s3cam_options o = S3CAM_OPTIONS_INIT;
 *     s3cam *cam;
 *     char text[200];
 *     o.region = "eu-central-1"; o.bucket = "footage"; o.prefix = "shop/door";
 *     if (s3cam_open(&cam, &o, text, sizeof text) != S3CAM_OK) { log(text); return; }
 *     s3cam_set_credentials(cam, key, secret, NULL);
 *     s3cam_start(cam);
 *     ...
 *     s3cam_part part[2] = {{data, size}, {NULL, 0}};
 *     s3cam_frame frame = {part, 1, pts_us};
 *     s3cam_put_video(cam, &frame);
 *     ...
 *     s3cam_close(cam, 10000);
 *
 * A handle is one camera; a process may have several. The agent is a process of its own: a daemon that listens on a Unix socket, or, if there is
 * none, a child that s3cam_open starts. Should it end, a thread of the library starts it again with the same settings.
 *
 * Memory: s3cam_open allocates about 75 KB, of which the untouched pages cost no RAM; nothing is allocated after it (but by posix_spawn,
 * when an agent must be started again). All strings and data are
 * copied or handed over before a function returns; the library keeps no pointer of the caller's, except on_drop and user.
 * Threads: unless a function says otherwise it may be called from any thread, also at the same time for one handle.
 * Blocking: only s3cam_open and s3cam_close wait, for the times they name. All others return within about put_deadline_ms.
 * NULL handles and NULL arguments are answered with S3CAM_EINVAL. No function writes to standard output or standard error, raises SIGPIPE
 * or needs a handler of SIGCHLD; it may be ignored.
 * fork(): a process may fork between s3cam_open and s3cam_start and go on with the handle on one side. Descriptors are closed by
 * exec(). A child that neither execs nor uses the handle must not close it, and keeps the agent from noticing the parent's end.
 */
#ifndef S3CAM_H
#define S3CAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Results. Functions return int: 0 or one of the negative values. More may be added. */
enum s3cam_result {
    S3CAM_OK = 0,
    S3CAM_ENOMEM = -1,  /* no memory */
    S3CAM_EINVAL = -2,  /* an argument is wrong; nothing has changed */
    S3CAM_EFULL = -4,   /* the frame was not taken, and is counted; the agent is too slow, away, or the next IDR has not come yet */
    S3CAM_ECLOSED = -6, /* the handle is closed; only the S3_HLS API shows this */
    S3CAM_EAGENT = -7   /* there is no agent, it refused, or there is no thread for it */
};

/* Of this header and its library, the only place where it stands. */
#define S3CAM_VERSION "1.0.0"

typedef struct s3cam s3cam;

/* Limits. */
#define S3CAM_MAX_PARTS 8                 /* of one frame */
#define S3CAM_MAX_FRAME ((size_t)4 << 20) /* bytes of one frame */

/* Flags of s3cam_options. */
#define S3CAM_BUCKET_IN_HOST 1u /* endpoint is a host name that has the bucket in it already */
#define S3CAM_BUCKET_ROOT 2u    /* an empty prefix means the root of the bucket: keys begin with the year */

/* Reasons of s3cam_drop. More may be added. */
enum s3cam_reason {
    S3CAM_DROP_UNKNOWN = 0,
    S3CAM_DROP_RING_FULL = 1,    /* newer footage needed its room */
    S3CAM_DROP_TOO_LARGE = 2,    /* one segment is larger than the ring */
    S3CAM_DROP_KEY_EXISTS = 3,   /* other footage has its name */
    S3CAM_DROP_CLOSED = 4,       /* the end came before it was stored */
    S3CAM_DROP_SPOOL_FULL = 5,   /* newer footage needed its flash */
    S3CAM_DROP_SPOOL_FAILED = 6, /* it could not be written to flash or read back */
    S3CAM_DROP_AGENT_LOST = 7    /* the agent ended and its ring with it; only frames is known */
};

/* A segment that was lost after its frames had been taken. */
typedef struct s3cam_drop {
    uint64_t reason; /* enum s3cam_reason */
    uint64_t frames; /* pictures */
    uint64_t bytes;
    uint64_t duration_ms;
    uint64_t start_us; /* of its first picture, microseconds since 1970 UTC; 0 = not known */
    const char *key;   /* name it had or would have had, never NULL; valid during the call */
} s3cam_drop;

/*
 * Is told of lost segments, on the library's thread (s3cam_start), or during s3cam_open and s3cam_close on the caller's. It should
 * return soon, since nothing else is noticed meanwhile, and may call everything but s3cam_close. All drops are counted in
 * s3cam_counters as well, for programs that prefer to look.
 */
typedef void s3cam_drop_fn(void *user, const s3cam_drop *drop);

/*
 * Options of s3cam_open. Start from S3CAM_OPTIONS_INIT; 0 and NULL mean the default, which for those marked * is what the agent's own
 * configuration says. The members may grow at the end, hence size: programs that know fewer of them go on working.
 */
typedef struct s3cam_options {
    size_t size; /* sizeof(s3cam_options) */

    const char *region;   /* * */
    const char *bucket;   /* * */
    const char *prefix;   /* * the camera's folder in the bucket; slashes at the ends do not matter */
    const char *endpoint; /* * host[:port] or URL of the server; default AWS */
    const char *camera;   /* * its name in the agent's configuration and log */

    const char *socket_path; /* where a daemon listens; default $S3CAM_SOCKET, or /var/run/s3cam/agent.sock; 107 bytes */
    const char *agent_path;  /* program to start if there is no daemon; default $S3CAM_AGENT, or s3cam-agent in $PATH; 255 bytes */

    uint32_t ring_bytes;      /* * RAM for footage that is not stored yet, 4 MiB */
    uint32_t segment_ms;      /* * target length of segments, 3000 */
    uint32_t flags;           /* S3CAM_BUCKET_IN_HOST and so on */
    uint32_t put_deadline_ms; /* how long a put may wait for the agent, 20 */

    s3cam_drop_fn *on_drop;
    void *user; /* for on_drop */
} s3cam_options;

#define S3CAM_OPTIONS_INIT {sizeof(s3cam_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* One contiguous piece of a frame. data may be NULL when size is 0. */
typedef struct s3cam_part {
    const uint8_t *data;
    size_t size;
} s3cam_part;

/* One access unit or a part of one (Annex B), or one or more ADTS frames, in up to S3CAM_MAX_PARTS pieces that may be cut anywhere. */
typedef struct s3cam_frame {
    const s3cam_part *part;
    size_t parts;
    uint64_t pts_us; /* of the encoder's clock, in microseconds; the same for all parts of one access unit */
} s3cam_frame;

/*
 * What has happened. Set size to sizeof(s3cam_counters) before the call; members that the library does not know become 0. The members may
 * grow at the end.
 */
typedef struct s3cam_counters {
    size_t size;
    /* Counted by the library, since s3cam_open. */
    uint64_t lost_video;  /* pictures that were not taken: S3CAM_EFULL */
    uint64_t lost_audio;  /* frames that were not taken */
    uint64_t lost_agents; /* pictures that were taken and went down with an agent */
    uint64_t connects;    /* times that an agent has accepted the settings: 1 after s3cam_open, more after restarts */
    /* Told by the agent, about once a second, since it accepted the settings. */
    uint64_t video_frames;   /* pictures received */
    uint64_t settled_frames; /* of them: stored, spooled, or counted as lost */
    uint64_t audio_frames;
    uint64_t stored_segments;
    uint64_t stored_frames; /* pictures */
    uint64_t stored_bytes;
    uint64_t dropped_segments;
    uint64_t dropped_frames;   /* pictures, also those between a gap and the next IDR */
    uint64_t pending_segments; /* complete, waiting in RAM */
    uint64_t pending_bytes;
    uint64_t ring_bytes;
    uint64_t ring_used;
    uint64_t uploads_failed;
    int64_t clock_offset_ms; /* what the device's clock is behind */
    uint64_t spooled_segments; /* on flash, waiting */
    uint64_t spool_bytes;
    uint64_t last_error; /* code, see s3cam_error_text */
} s3cam_counters;

/*
 * Opens a camera: finds or starts the agent and gives it the options. On success *h is the handle, which s3cam_close frees; otherwise it is NULL
 * and text, unless it is NULL, gets the reason, cut to text_size bytes and always terminated if there is one byte. Blocks until the
 * agent has answered, 5 s at most.
 * S3CAM_OK; S3CAM_EINVAL: h or options is NULL, options->size is none, or a string is too long (8 KiB together); S3CAM_ENOMEM;
 * S3CAM_EAGENT: no agent, no answer, or it refused the options.
 */
int s3cam_open(s3cam **h, const s3cam_options *options, char *text, size_t text_size);

/*
 * Sets or replaces the credentials, at any time; uploads in flight are not disturbed. token may be NULL: permanent keys. Not needed when the
 * agent has its own. S3CAM_OK, also when the agent is away (it gets them when it is back); S3CAM_EINVAL: key or secret is NULL, or they
 * are beyond 8 KiB together.
 */
int s3cam_set_credentials(s3cam *h, const char *key, const char *secret, const char *token);

/*
 * Sets the x-amz-tagging value of segments from now on, such as "site=shop&floor=1", percent-encoded; NULL: none.
 * S3CAM_OK; S3CAM_EINVAL: beyond 8 KiB.
 */
int s3cam_set_tags(s3cam *h, const char *tags);

/*
 * Lets uploads begin and starts the library's thread for this handle: it receives what the agent tells, restarts it, and calls on_drop.
 * Frames may be put before. A second call does nothing. S3CAM_OK; S3CAM_EINVAL; S3CAM_EAGENT: no thread.
 */
int s3cam_start(s3cam *h);

/*
 * Takes video. The data is handed over when this returns; it waits for the agent put_deadline_ms at most, never for the network.
 * S3CAM_OK; S3CAM_EFULL: not taken, and neither are the pictures up to the next IDR, since they depend on it; S3CAM_EINVAL: no data, more
 * than S3CAM_MAX_PARTS parts or S3CAM_MAX_FRAME bytes, a part with size but NULL.
 */
int s3cam_put_video(s3cam *h, const s3cam_frame *frame);

/* Takes audio. As s3cam_put_video, but frames do not depend on each other. */
int s3cam_put_audio(s3cam *h, const s3cam_frame *frame);

/* Closes the open segment now, for example when an alarm has ended. The next one begins with the next IDR. S3CAM_OK; S3CAM_EINVAL. */
int s3cam_flush(s3cam *h);

/* Copies the counters. S3CAM_OK; S3CAM_EINVAL: an argument is NULL, or c->size is too small for the first member. */
int s3cam_get_counters(s3cam *h, s3cam_counters *c);

/*
 * Copies the last error that the agent told, cut to size bytes and always terminated; "" if there was none. Returns its code (docs/ref/wire.md,
 * 0 = none), or S3CAM_EINVAL: an argument is NULL or size is 0.
 */
int s3cam_error_text(s3cam *h, char *text, size_t size);

/*
 * Stores what was put, for drain_ms at most, ends the thread and frees the handle. No other call for this handle may be going on or follow.
 * An agent that was started by s3cam_open goes on with what is left by itself, as long as its own configuration says; if it ends later than
 * half a second after this, the process still has it as a child to be waited for, unless SIGCHLD is ignored. Blocks for
 * drain_ms and one second at most, plus the time that on_drop takes.
 * S3CAM_OK: all was stored, or h is NULL; S3CAM_EFULL: not all.
 */
int s3cam_close(s3cam *h, uint32_t drain_ms);

#ifdef __cplusplus
}
#endif

#endif
