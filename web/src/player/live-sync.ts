// SPDX-License-Identifier: Apache-2.0

/**
 * How the live view stays close to the camera without stalling. Pure: times come in as numbers.
 *
 * The lowest latency that HLS allows is one segment (it must be complete before it is listed) plus upload, polling and
 * download. The player's own default stays three segments behind. Three things bring it down, all of them in the page:
 * where to begin (startDelay), when to ask for the playlist (PollPlanner), and how fast to play (LiveSync).
 */

/** What upload, listing, download and appending may take at the start, before anything was measured, in seconds. */
export const assumedDelay = 0.7;

/** margin is the playback that is left when a new segment arrives; what LiveSync steers to, in seconds. */
export function margin(segment: number): number {
  return Math.min(0.4 + 0.1 * segment, 1);
}

/**
 * startDelay says how far before the end of the playlist to begin, in seconds. listedEnd is the program time of that
 * end and now the server's time, both in milliseconds; window and segment are durations in seconds.
 */
export function startDelay(now: number, listedEnd: number | undefined, segment: number, window: number): number {
  const latency = segment + assumedDelay + margin(segment);
  const age = listedEnd === undefined ? segment / 2 : (now - listedEnd) / 1000;
  // Older than a segment and a bit: the camera is silent or the clocks disagree, so show the last segment.
  const delay = age > segment * 2 + 2 || age < -2 ? segment : latency - age;
  return Math.min(Math.max(delay, 0.3), Math.max(window - 0.3, 0.3));
}

/**
 * PollPlanner says when to ask for the playlist again: just after the next segment should have been listed, then a few
 * times in quick succession, then more slowly, because some cameras send longer segments now and then; after that not at all
 * (the player's own, slower polling goes on anyway).
 */
export class PollPlanner {
  #lateness = 0.15; // from a segment's end to its being listed, in seconds; estimated
  #missed = 0;
  #end: number | undefined; // of the newest segment listed

  /**
   * loaded is told of every playlist that arrived: now in ms, the program time of its end in ms, the newest segment's
   * duration in s. It returns after how many milliseconds to ask again, undefined to leave it to the player.
   */
  loaded(now: number, listedEnd: number, segment: number): number | undefined {
    if (listedEnd !== this.#end) {
      const late = (now - listedEnd) / 1000;
      if (this.#end !== undefined && late > 0 && late < segment + 3) {
        // Found at the first try: it may have been there earlier, try so next time. Else it was listed just now.
        this.#lateness = this.#missed === 0 ? Math.min(this.#lateness, late) - 0.03 : late;
        this.#lateness = Math.min(Math.max(this.#lateness, 0.02), segment);
      }
      this.#end = listedEnd;
      this.#missed = 0;
      const due = listedEnd + (segment + this.#lateness) * 1000;
      return Math.max(due - now, 50);
    }
    this.#missed++;
    if (this.#missed > 30) {
      return undefined;
    }
    return this.#missed <= 6 ? Math.min(Math.max(segment * 80, 120), 300) : 600;
  }
}

/** What LiveSync wants done at one moment. */
export interface Steer {
  rate: number;
  /** seconds to jump forward instead, 0 = none */
  jump: number;
}

/**
 * LiveSync steers the playback position so that each new segment arrives when about the margin is left to play.
 *
 * For each arrival it keeps (end of the buffer before it) - (arrival time): the position line that would just have run
 * dry. The lowest of the last few lines, less the margin, is where playback should be.
 */
export class LiveSync {
  readonly #lines: number[] = [];
  #lastArrival = -Infinity;
  #margin = margin(1);
  #rate = 1;
  #extra = 0; // grows with each stall, shrinks with each segment that arrived in time; seconds

  /** arrived: a segment was appended at now (s, any clock that runs evenly); the buffer ended at bufferEnd before. */
  arrived(now: number, bufferEnd: number, segment: number): void {
    if (now - this.#lastArrival > 3 * segment + 2) {
      this.#lines.length = 0; // the camera was silent, or the page slept: what was learned is void
    } else {
      this.#lines.push(bufferEnd - now);
      if (this.#lines.length > 10) {
        this.#lines.shift();
      }
      this.#extra = Math.max(0, this.#extra - 0.02);
    }
    this.#lastArrival = now;
    this.#margin = margin(segment);
  }

  /** stalled: playback ran dry although the camera sends. */
  stalled(segment: number): void {
    this.#extra = Math.min(this.#extra + 0.4, 2 * segment);
  }

  /** steer returns the playback rate for now; position is the playback position in seconds. */
  steer(now: number, position: number): Steer {
    if (this.#lines.length === 0) {
      this.#rate = 1;
      return { rate: 1, jump: 0 };
    }
    const excess = Math.min(...this.#lines) + now - position - this.#margin - this.#extra; // > 0: later than needed
    if (excess > 2.5) {
      this.#rate = 1;
      return { rate: 1, jump: excess - 0.2 };
    }
    // Begin at 0.15 s, end at 0.03 s: no hunting around the goal.
    const idle = this.#rate === 1 ? 0.15 : 0.03;
    if (excess > idle) {
      this.#rate = Math.min(1.08, inSteps(1.03 + excess * 0.06));
    } else if (excess < -idle) {
      this.#rate = Math.max(0.92, inSteps(0.98 + excess * 0.12));
    } else {
      this.#rate = 1;
    }
    return { rate: this.#rate, jump: 0 };
  }
}

/** inSteps rounds a rate to 2 %: each change of the rate is work for the audio path, and finer ones cannot be heard. */
function inSteps(rate: number): number {
  return Math.round(rate * 50) / 50;
}
