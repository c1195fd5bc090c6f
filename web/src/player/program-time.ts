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

/** covers tells whether a program time lies between the begin and the end of the playlist. */
export function covers(programTime: number, segments: readonly TimedSegment[]): boolean {
  const first = segments[0]?.programTime;
  const end = endTime(segments);
  return first !== undefined && end !== undefined && programTime >= first && programTime < end;
}

/**
 * positionOf returns where a program time lies on the player's time line, in seconds. Segments that were loaded tell where
 * they really lie; from the nearest of them on the playlist's durations count. In a gap: where the footage after it begins.
 */
export function positionOf(programTime: number, segments: readonly TimedSegment[]): number {
  const goal = offsetOf(programTime, segments);
  let sum = 0;
  let best: { offset: number; start: number } | undefined;
  for (const s of segments) {
    if (s.start !== undefined && (best === undefined || Math.abs(sum - goal) < Math.abs(best.offset - goal))) {
      best = { offset: sum, start: s.start };
    }
    sum += s.duration;
  }
  return best === undefined ? goal : Math.max(0, best.start + goal - best.offset);
}
