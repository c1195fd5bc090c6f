// SPDX-License-Identifier: Apache-2.0

/** Mapping between the player's own time (seconds) and program time (ms, UTC), over the segments of a playlist. Pure. */

export interface TimedSegment {
  /** length in seconds, as the playlist says */
  duration: number;
  /** program time of the first frame, in ms; undefined when the playlist has none */
  programTime: number | undefined;
  /** where the segment is on the player's time line, in seconds; undefined until it was loaded once */
  start: number | undefined;
}

/** programTimeAt returns what time it was at the camera at this player position; undefined when nothing tells. */
export function programTimeAt(position: number, segments: readonly TimedSegment[]): number | undefined {
  let best: number | undefined;
  for (const s of segments) {
    if (s.start === undefined || s.programTime === undefined) {
      continue;
    }
    const at = s.programTime + (position - s.start) * 1000;
    // A few milliseconds of tolerance: audio and video of a segment seldom begin at exactly the same time.
    if (position >= s.start - 0.02 && position < s.start + s.duration) {
      return at;
    }
    if (s.start <= position || best === undefined) {
      best = at; // the nearest one before; or, before all, the first
    }
  }
  return best;
}

/** endTime returns the program time of the end of the last segment; undefined when nothing tells. */
export function endTime(segments: readonly TimedSegment[]): number | undefined {
  const last = segments[segments.length - 1];
  return last?.programTime === undefined ? undefined : last.programTime + last.duration * 1000;
}

/** offsetOf returns how many seconds after the playlist's begin the program time lies, gaps left out; at least 0. */
export function offsetOf(programTime: number, segments: readonly TimedSegment[]): number {
  let sum = 0;
  for (const s of segments) {
    if (s.programTime !== undefined) {
      if (programTime < s.programTime) {
        return sum; // before the playlist, or in a gap: the next thing that there is
      }
      if (programTime < s.programTime + s.duration * 1000) {
        return sum + (programTime - s.programTime) / 1000;
      }
    }
    sum += s.duration;
  }
  return sum;
}
