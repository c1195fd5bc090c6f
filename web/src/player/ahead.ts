// SPDX-License-Identifier: Apache-2.0

import type { API } from '../api';
import { nextFootage } from '../timeline/find-footage';
import type { Source } from './camera-player';

/** So many seconds before its end a replay is made longer: more than a player loads ahead, and than a slow server takes. */
export const lookahead = 120;
const againMs = 10_000; // after a failure, or when there was nothing new yet
/** A playlist of more segments than this, two days of short ones, is not made longer: then a new one is opened. */
export const mostSegments = 60_000;

/** What of a player is needed. */
export interface Playing {
  readonly source: Source;
  /** program time of the playlist's end, ms */
  readonly rangeEnd: number | undefined;
  /** seconds of footage left in it; undefined when nothing plays */
  readonly remaining: number | undefined;
  readonly segments: number;
  readonly rate: number;
  /** append makes the playlist longer by what is new in another; false when it has nothing new, or this player cannot */
  append(playlist: string, source: Source): boolean;
}

export interface AheadOptions {
  camera: string;
  api: Pick<API, 'coverage' | 'playlist' | 'replayURL'>;
  now: () => number;
  /** the playlist around a moment */
  stretch: (at: number, now: number) => Source;
  /** whether a gap that is longer than a stretch is crossed */
  crossGaps: boolean;
  /** a replay ends by itself here; undefined: never */
  until: number | undefined;
  signal: AbortSignal;
}

/**
 * Ahead makes the playlist of a replay longer before it has played to its end, so that the player never notices an end: picture, sound,
 * speed and volume go on. What it cannot get in time is left to whoever opens the next playlist.
 */
export class Ahead {
  readonly #o: AheadOptions;
  #busy = false;
  #notBefore = 0; // local time, ms
  #last: number | undefined; // an end after which nothing was recorded

  constructor(options: AheadOptions) {
    this.#o = options;
  }

  /** look is to be called about once a second; local is a time in ms that runs evenly. */
  async look(p: Playing, local: number): Promise<void> {
    const { source, rangeEnd: end, remaining } = p;
    if (this.#busy || local < this.#notBefore || source.mode !== 'range' || end === undefined || remaining === undefined ||
      end === this.#last || remaining > lookahead * Math.max(1, p.rate) || p.segments > mostSegments ||
      (this.#o.until !== undefined && end >= this.#o.until - 1000)) {
      return;
    }
    this.#busy = true;
    try {
      await this.#lengthen(p, end, local);
    } finally {
      this.#busy = false;
    }
  }

  async #lengthen(p: Playing, end: number, local: number): Promise<void> {
    const now = this.#o.now();
    const opened = p.source;
    const next = this.#o.stretch(end, now);
    if (next.mode === 'live') {
      this.#notBefore = local + againMs;
      return;
    }
    const there = await this.#append(p, opened, next);
    if (there !== 'none') {
      this.#notBefore = there === 'failed' ? local + againMs : 0;
      return;
    }
    if (next.mode === 'growing') {
      this.#notBefore = local + againMs; // what comes next has not been recorded yet
      return;
    }
    const found = this.#o.crossGaps ? await nextFootage(this.#o.api, this.#o.camera, end + 1, now, this.#o.signal) : undefined;
    if (found === undefined) {
      this.#last = end;
    } else if (await this.#append(p, opened, this.#o.stretch(found, now)) !== 'more') {
      this.#notBefore = local + againMs;
    }
  }

  async #append(p: Playing, opened: Source, next: Source): Promise<'more' | 'none' | 'failed'> {
    const { api, camera, now, signal } = this.#o;
    const from = next.from ?? 0;
    // A playlist that grows is one that the player asks for again and again: until now is all that can be had at once.
    const reply = await api.playlist(next.mode === 'growing' ? api.replayURL(camera, from, now()) : next.url, signal);
    if (reply.kind === 'error' && reply.reason === 'notFound') {
      return 'none';
    }
    if (reply.kind !== 'ok' || p.source !== opened) { // something else is played by now
      return 'failed';
    }
    return p.append(reply.value, next) ? 'more' : 'none';
  }
}
