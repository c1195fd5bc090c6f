/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results and stream constants of the S3_HLS API, see S3_HLS_SDK.h. The names and values are those that firmware written against the
 * original SDK uses.
 */
#ifndef S3_HLS_RETURN_CODE_H
#define S3_HLS_RETURN_CODE_H

#include <stdint.h>

#define S3_HLS_OK 0
#define S3_HLS_OUT_OF_MEMORY -1
#define S3_HLS_INVALID_PARAMETER -2      /* also: not initialised, except from Put */
#define S3_HLS_INVALID_STATUS -3         /* never returned */
#define S3_HLS_BUFFER_OVERFLOW -4        /* footage was lost: this frame, or some before it */
#define S3_HLS_BUFFER_EMPTY -5           /* never returned */
#define S3_HLS_LOCK_FAILED -6            /* from Put: not initialised */
#define S3_HLS_UNKNOWN_INTERNAL_ERROR -7 /* from Initialize: any failure; from Start_Upload: no thread */
#define S3_HLS_QUEUE_FULL -8             /* this and the following ones are never returned */
#define S3_HLS_QUEUE_EMPTY -9
#define S3_HLS_HTTP_CLIENT_INIT_ERROR -10
#define S3_HLS_THREAD_ALREADY_STOPPED -11
#define S3_HLS_UPLOAD_FAILED -12

#define S3_HLS_Video_PID 0x100
#define S3_HLS_Audio_PID 0x101

#define S3_HLS_TS_PACKET_SIZE 188
#define S3_HLS_TS_COUNTER_INDEX 3

#ifdef __cplusplus
extern "C" {
#endif

/* 188 bytes of 0xFF. Nothing here uses it; it is there for programs that do. */
extern uint8_t const_fill_word[S3_HLS_TS_PACKET_SIZE];

#ifdef __cplusplus
}
#endif

#endif
