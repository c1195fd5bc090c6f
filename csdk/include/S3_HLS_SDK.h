/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The S3_HLS API: functions, structs and constants by the names of the original SDK, so that its firmware is relinked without a change.
 * It is one camera per process on top of s3cam.h, which has the modern form of all this.
 *
 * Order of calls: S3_HLS_SDK_Initialize, S3_HLS_SDK_Set_Credential, S3_HLS_SDK_Set_Tag, S3_HLS_SDK_Start_Upload, then
 * S3_HLS_SDK_Put_Video_Frame and S3_HLS_SDK_Put_Audio_Frame, and S3_HLS_SDK_Finalize. Any other order is answered, not crashed on;
 * after S3_HLS_SDK_Finalize all may begin again.
 *
 * Memory: all strings and all frame data are copied or handed over before a function returns; the caller may change and free them.
 * Threads: once S3_HLS_SDK_Initialize has returned, any function may be called from any thread, also at the same time, but
 * S3_HLS_SDK_Initialize and S3_HLS_SDK_Finalize by one thread at a time. Nothing is written to standard output or standard error. The results are in S3_HLS_Return_Code.h.
 */
#ifndef S3_HLS_SDK_H
#define S3_HLS_SDK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define S3_HLS_SIMPLE_PUT_MAX_FRAME_PER_PACK 4

/* A piece of the stream, in one or two parts: two where it wraps around the end of the encoder's ring buffer. */
typedef struct s3_hls_frame_item_s {
    uint8_t *first_part_start; /* not NULL */
    uint32_t first_part_length;
    uint8_t *second_part_start; /* NULL when there is no second part */
    uint32_t second_part_length;
    uint64_t timestamp; /* in microseconds */
} S3_HLS_FRAME_ITEM;

/* One picture with what belongs to it, or one or more audio frames. The time is that of the first item. */
typedef struct frame_packs_s {
    S3_HLS_FRAME_ITEM items[S3_HLS_SIMPLE_PUT_MAX_FRAME_PER_PACK];
    uint32_t item_count; /* 1 to S3_HLS_SIMPLE_PUT_MAX_FRAME_PER_PACK */
} S3_HLS_FRAME_PACK;

/*
 * Starts or finds the agent and gives it the settings. buffer_size is the RAM in bytes for footage that is not stored yet (0: 4 MiB).
 * prefix may be NULL or empty (keys begin with the year) and may have a slash at either end or none. endpint may be NULL (AWS) or is
 * the host, and port, that already begins with the bucket. Blocks until the agent has accepted all this, 5 s at most.
 * 0; -7: region or bucket is NULL, region has less than 3 characters, there is no agent, it refused the settings, or no memory, or this was
 * called before without S3_HLS_SDK_Finalize after it (then nothing has changed).
 */
int32_t S3_HLS_SDK_Initialize(uint32_t buffer_size, char *region, char *bucket, char *prefix, char *endpint);

/*
 * Sets or replaces the credentials, at any time; uploads in flight are not disturbed. token may be NULL: permanent keys.
 * 0; -2: not initialised, ak or sk is NULL, or they are too long (8 KiB together).
 */
int32_t S3_HLS_SDK_Set_Credential(char *ak, char *sk, char *token);

/*
 * Sets the tags of the objects stored from now on, such as "key1=value1&key2=value2", percent-encoded; NULL: none.
 * 0; -2: not initialised, or too long (8 KiB).
 */
int32_t S3_HLS_SDK_Set_Tag(char *object_tag);

/*
 * Lets uploads begin and starts one thread, which also restarts the agent should it end. The process may fork() between
 * S3_HLS_SDK_Initialize and this call, but not go on on both sides. A second call does nothing.
 * 0; -2: not initialised; -7: the thread could not be started.
 */
int32_t S3_HLS_SDK_Start_Upload(void);

/*
 * Takes video in Annex-B form: a NAL unit or several per item, 3- or 4-byte start codes, parts split anywhere. Never waits for
 * the network, and for the agent some milliseconds at most (20 per calling thread).
 * 0; -2: pack or the first pointer of an item is NULL, item_count is not within 1 to 4, a second pointer is NULL but its length
 * is not 0, or there is no data or more than 4 MiB; -4: this frame was not taken, or it was and footage before it was lost (said once
 * per loss); -6: not initialised.
 * After a frame was not taken, pictures up to the next IDR are of no use: they are not taken either, each answered with -4.
 */
int32_t S3_HLS_SDK_Put_Video_Frame(S3_HLS_FRAME_PACK *pack);

/* Takes AAC frames with ADTS headers. Everything else as S3_HLS_SDK_Put_Video_Frame. */
int32_t S3_HLS_SDK_Put_Audio_Frame(S3_HLS_FRAME_PACK *pack);

/*
 * Stores what was put, for 10 s at most, ends the thread and forgets everything. The agent then goes on by itself with what is left, as long
 * as its own configuration says. May be called at any time and repeatedly. Always 0.
 */
int32_t S3_HLS_SDK_Finalize(void);

#ifdef __cplusplus
}
#endif

#endif
