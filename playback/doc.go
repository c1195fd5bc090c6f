// SPDX-License-Identifier: Apache-2.0

// Package playback decides what to play: the rolling live window, the replay of a range, which times have footage, which
// cameras there are. All it has to go by is the listing of a bucket whose keys are times (package segment), and now and
// then the first or last packets of a segment.
//
// How it is built:
//
//   - Pure rules over listed segments: usual.go (how long segments last), timeline.go (place: durations, dates,
//     discontinuities), advance.go (windows: numbers, what leaves). docs/design/live-window.md derives them.
//   - Service joins them to three small interfaces: Store lists, HeadReader reads the beginning or the end of a segment,
//     WindowStore shares windows between servers by compare and swap.
//
// What holds for every playlist: it obeys RFC 8216bis; what was published for a segment in a live or EVENT playlist never
// changes; numbers never go back, whichever server answers and with one exception when the shared state is lost (firstNumber); no two segments are
// swapped, repeated or, unless they came too late, left out.
//
// Bounds: one listing per live poll (two around midnight) and at most 32 ranged reads of 8 KiB and 16 of 64 KiB; a replay of
// n segments costs about n/998+1 listings and at most 96 and 49 such reads, 8 at a time; ranges are limited by Config.MaxReplay, waiting by
// Config.StoreTimeout. Stable within a major version; the JSON form of Window may grow fields.
package playback
