// SPDX-License-Identifier: Apache-2.0

// Package uploader is the device side of s3cam as a library: access units and audio frames go in, and MPEG-TS segments come out
// in an S3 bucket, named by the second at which they start. [New] makes an [Uploader], [Uploader.WriteVideo] and [Uploader.WriteAudio]
// feed it from the encoder's threads, [Uploader.Close] drains it.
//
//	WriteVideo ──┐  one lock, one copy   ┌────────────── ring (RAM, bounded) ─────────────┐
//	             ├──► timeline ► muxer ──►│ uploading │ waiting │ waiting │ open segment ──►│
//	WriteAudio ──┘                        └─────┬───────────────────────────────────────────┘
//	                                            │    worker ──► Putter (one PUT at a time, oldest first, retried)
//	                                            └──► spool, when there is one ──► worker, when nothing live waits
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
// Pictures that were lost before they came ([Uploader.Skip]) leave a hole: the segment goes on at the next IDR. To end it at the hole would gain
// nothing, for a playlist shows the distance from start to start either way, and it would cost a PUT more, and footage when that IDR
// falls into the second of the last start.
//
// # Clock
//
// The time in the server's answers tells by how much the device clock is wrong. An error of more than 2 s is corrected, for signing (Object.Time)
// and for the time of live pictures. Segments that were made before the first answer, with nothing stored yet, are moved to the
// right time in the ring, and those in the spool when they leave it. Steps of the device clock are seen against a clock that does not
// step. Before the first answer they move the footage made so far: the device was set after boot. After it they are taken out,
// until the next answer confirms them. Nothing is moved back once it may have been stored, except when the clock was so
// wrong that no server can have taken the signature (16 min).
//
// # Loss
//
// A segment stays in the ring until it is stored. When room is needed and the oldest segment is in flight, whole packets of what its Putter
// reported as sent ([Object.Sent]) are given to newer footage; if that try then fails, that segment is lost. Else the oldest complete
// segment that is loose is dropped; an upload in flight is never cancelled for it and what it has not sent is never touched. When that does not make
// enough room the open segment is dropped as a whole and recording resumes at the next IDR. So it is also when only one segment waits behind
// an upload that will be through before the open segment is complete: dropping that one would let a slow uplink stand idle. There is
// never half a segment, and each drop is counted in [Stats], logged, and reported to Config.OnDrop.
//
// With a Putter that calls Sent a ring of two segments uses a slow uplink fully. With one that does not it takes three; one of two loses up to
// a third more when the uplink is slower than the stream.
//
// # Spool
//
// With Config.Spool segments leave the ring for it, oldest first: when uploads fail and more than one waits, when the uplink is behind and
// what is not sent fills half of the ring, and at the end of Close. When the spool fails, that is reported once and the ring goes
// on as without. Items of the spool are uploaded when no live segment waits and the ring can hold what comes in meanwhile, one
// at a time, so a live segment waits for one such upload at most; one in flight is given up when the ring gets full all the
// same. An item is deleted when it is stored. If its name is taken it gets the next second before its end; the name counts as
// its own when an upload of it was unclear, and for the item that was the oldest when the uploader started, since the run before may
// have ended between storing and deleting it. An item that cannot be read, or that the server rejects ten times while it takes
// live segments, is dropped and counted.
//
// Items made before any answer told the time have SpoolItem.UnsureRun. The run that made them moves them when it knows better; of an
// earlier run they keep the name that they have, and are counted in Stats.UnsureStored.
//
// # Promise and bounds
//
// Experimental API; what is stored follows the contract of package segment and is stable. Memory: RingBytes, 64 KiB of held audio
// at most, 64 KiB of parameter sets at most (real ones take 100 bytes), and some 30 KiB; and outside the Go heap the segment that is being
// back-filled. The frame path takes one lock, which nothing holds while it waits for the network or the spool,
// and allocates nothing in the steady state. Access units may be of any size up to the ring. Input is untrusted: what is not
// H.264 or ADTS gives an error.
package uploader
