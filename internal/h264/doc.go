// SPDX-License-Identifier: Apache-2.0

// Package h264 reads as much of an H.264 byte stream (ITU-T H.264 Annex B) as recording needs: NAL units, access units,
// parameter sets, slice types, and the order in which pictures are shown. It decodes no picture.
//
//   - NALUnits and Offsets walk over a buffer, Inspect says what an access unit is without reading past its first slice header.
//   - Scanner cuts a byte stream of unknown origin (a file, a pipe) into access units.
//   - ParseSPS and ParameterSets read and remember sequence and picture parameter sets.
//   - Reorderer gives access units in decoding order their PTS and DTS.
//
// Numbers such as 7.4.1.2.4 are clauses of ITU-T H.264.
//
// Promise: internal, may change. No input makes it panic; wrong input is an error. Memory is bounded: Scanner holds one access
// unit up to its limit and a read buffer, ParameterSets 64 KiB, Reorderer 33 frames and MaxBytes. Values are not safe
// for concurrent use; functions are. Nothing is logged and no clock is read.
package h264
