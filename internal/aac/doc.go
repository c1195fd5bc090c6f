// SPDX-License-Identifier: Apache-2.0

// Package aac reads and writes the ADTS framing of AAC audio (ISO/IEC 13818-7 clause 6.2, ISO/IEC 14496-3 clause 1.A.2.2). It decodes
// no audio.
//
//   - ParseHeader reads one ADTS header, AppendHeader makes one for a raw AAC access unit.
//   - Scanner cuts a byte stream into ADTS frames, past ID3v2 tags and garbage.
//   - Ticks turns a count of samples into 90 kHz time.
//
// Promise: internal, may change. No input makes it panic; wrong input is an error. Memory is bounded: Scanner holds 32 KiB.
// A Scanner is not safe for concurrent use; functions are.
package aac
