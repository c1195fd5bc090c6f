// SPDX-License-Identifier: Apache-2.0

// Package uploader is the device side of s3cam as a library: access units and audio frames go in, and MPEG-TS segments come out
// in an S3 bucket, named by the second at which they start. [New] makes an [Uploader], [Uploader.WriteVideo] and [Uploader.WriteAudio]
// feed it from the encoder's threads, [Uploader.Close] drains it.
//
//	WriteVideo ──┐  one lock, one copy   ┌────────────── ring (RAM, bounded) ─────────────┐
//	             ├──► timeline ► muxer ──►│ uploading │ waiting │ waiting │ open segment ──►│
//	WriteAudio ──┘                        └─────┬───────────────────────────────────────────┘
//	                                            └──► worker ──► Putter (one PUT at a time, oldest first, retried)
//
// # Cutting
//
// A segment starts at an IDR picture whose parameter sets are known: in the access unit, remembered from an earlier one, or from
// Config.ParameterSets. Those that an IDR lacks are put in front of it, so each segment decodes alone. It ends before the
// first IDR at or after Config.SegmentDuration (to within half a frame interval, 20 ms at most, so that rounded timestamps do not double a segment) that does not fall into the same second as the start before it. Pictures before the first IDR are dropped and counted.
//
// # Time
//
// PTS and DTS are 90 kHz x UTC. With Config.Epoch set, UTC is Epoch + PTS and the caller vouches for it. With Epoch zero the stream
// is live: its first picture is put at Config.Now() plus the clock offset, and later ones follow the encoder's timestamps exactly
// within a segment. At each segment start the distance to the wall clock (the smallest one since the last start, which leaves
// delivery jitter out) decides:
//
//   - up to 20 ms: nothing; up to 250 ms: the start moves by at most 500 ppm of the last segment (1.5 ms in 3 s); beyond: 5000 ppm.
//   - the wall clock is more than 1 s ahead: the start jumps there. Time never jumps back: when the wall clock is behind, the 5000 ppm
//     lead there.
//
// Encoder timestamps that go back by 1 s or more, or (live) run ahead of the clock by more than 1 s in one step, start a new run: pictures
// continue one frame interval after the last until the next IDR, which starts a segment at the present time. Smaller steps back
// are flattened, DTS always rises. After a hole of more than 10 s the open segment is closed, and the next one starts at an IDR.
//
// The key of a segment is the PTS of its first picture, floored to the second. Keys strictly rise in the life of an Uploader. When
// the bucket has an object of that name from before, the segment gets the next free second before the next segment's, or is
// dropped when there is none; its timestamps stay.
//
// # Clock
//
// The time in the server's answers tells by how much the device clock is wrong. An error of more than 2 s is corrected, for signing (Object.Time)
// and for the time of live pictures. Segments that were made before the first answer, with nothing stored yet, are moved to the
// right time in the ring.
//
// # Loss
//
// A segment stays in the ring until it is stored. When room is needed, the oldest complete one that is not being uploaded at that
// moment is dropped; an upload in flight is never cancelled for it and its bytes are never touched. When that does not make
// enough room the open segment is dropped as a whole and recording resumes at the next IDR. So it is also when only one segment waits behind
// an upload that is as fast as expected: dropping that one would let a slow uplink stand idle. There is never half a segment, and each
// drop is counted in [Stats], logged, and reported to Config.OnDrop.
//
// A ring of three segments and more uses a slow uplink fully; one of two loses up to a third more when the uplink is slower than the stream.
//
// # Promise and bounds
//
// Experimental API; what is stored follows the contract of package segment and is stable. Memory: RingBytes, 64 KiB of held audio
// at most, 64 KiB of parameter sets at most (real ones take 100 bytes), and some 30 KiB. The frame path takes one lock, which nothing holds while it waits for the network,
// and allocates nothing in the steady state. Access units may be of any size up to the ring. Input is untrusted: what is not
// H.264 or ADTS gives an error.
package uploader
