// SPDX-License-Identifier: Apache-2.0

import type { API } from '../api';
import { nextFootage, previousFootage } from '../timeline/find-footage';
import { Ahead } from './ahead';
import { CameraPlayer, type CameraPlayerOptions, type Source, type Status } from './camera-player';

const minute = 60_000;
const hour = 60 * minute;

/** A replay is opened with this much before the wanted time, so that going back a little needs no new playlist. */
export const before = 10 * minute;
/** And with this much after it; a playlist of it is some 20 kB. Before it ends it is made longer by the next stretch. */
export const after = 6 * hour;
/** Footage younger than this is only reached by a playlist that grows; anything nearer to now is the live view's. */
export const young = 30_000;
/** A wish to see what is at most so old is a wish for live. */
export const liveEdge = 8_000;

const aheadMs = 1_000; // how often it is looked at whether the playlist must be made longer

/** So much of a recording that ended is shown to who asks for the newest. */
const lastShown = minute;

/** What is to be seen: a moment of the past (ms since the epoch), or what happens now. */
export type Moment = number | 'live';

/** stretch says which playlist shows a moment, given the time now; nothing after until is wanted. Pure. */
export function stretch(
  api: Pick<API, 'liveURL' | 'replayURL'>, camera: string, at: Moment, now: number, until?: number,
): Source {
  if (at === 'live' || (at >= now - liveEdge && until === undefined)) {
    return { mode: 'live', url: api.liveURL(camera) };
  }
  const from = Math.floor((at - before) / 1000) * 1000; // whole seconds: neighbouring wishes share a playlist and its cache
  const to = Math.min(from + before + after, until ?? Infinity);
  return to > now - young
    ? { mode: 'growing', url: api.replayURL(camera, from, undefined), start: at, from }
    : { mode: 'range', url: api.replayURL(camera, from, to), start: at, from };
}

export interface WatchOptions extends CameraPlayerOptions {
  camera: string;
  api: Pick<API, 'liveURL' | 'replayURL' | 'coverage' | 'playlist'>;
  /** the moment to begin with; newest: the end of what is recorded */
  at: Moment | 'newest';
  /** a replay ends by itself here; undefined: never */
  until: number | undefined;
  /** what the page knows of a moment: whether there is footage; undefined when it knows nothing */
  recordedAt: (ms: number) => boolean | undefined;
  /** whether a moment without footage leads to the next one with some */
  crossGaps: boolean;
}

/**
 * Watch shows one camera at any moment: live, or a replay of any length. Which playlists that takes is its affair: a seek
 * inside the one that is open is a seek, any other opens another; before one ends the next is appended to it, and where
 * nothing was recorded what was recorded after it.
 */
export class Watch {
  readonly #o: WatchOptions;
  readonly #player: CameraPlayer;
  readonly #leave = new AbortController();
  #wanted: Moment; // what was last asked for
  #wish = 0; // counts them: an answer to an older one is ignored
  #arrived = false; // whether the picture of it was shown
  #live: boolean;
  #status: Status = { kind: 'connecting' };

  constructor(parent: HTMLElement, options: WatchOptions) {
    this.#o = options;
    this.#wanted = options.at === 'newest' ? options.now() : options.at;
    this.#live = options.at === 'live';
    this.#player = new CameraPlayer(parent, { ...options, onStatus: (s) => this.#changed(s) });
    const ahead = new Ahead({
      ...options, signal: this.#leave.signal, stretch: (at, now) => stretch(options.api, options.camera, at, now, options.until),
    });
    const timer = setInterval(() => void ahead.look(this.#player, performance.now()), aheadMs);
    this.#leave.signal.addEventListener('abort', () => clearInterval(timer));
    if (options.at === 'newest') {
      void this.#newest();
    } else {
      this.seek(options.at);
    }
  }

  dispose(): void {
    this.#leave.abort();
    this.#player.dispose();
  }

  /** player is for what does not depend on the moment: pausing, the rate, the picture itself. */
  get player(): CameraPlayer {
    return this.#player;
  }

  get status(): Status {
    return this.#status;
  }

  /** live tells whether what happens now is shown, or is to be. */
  get live(): boolean {
    return this.#live;
  }

  /** time is the moment of the picture shown or, until it is there, the one asked for; undefined before live's first. */
  get time(): number | undefined {
    const shown = this.#player.programTime();
    if (typeof this.#wanted !== 'number') {
      return shown;
    }
    // In a gap what is shown begins after what was asked for.
    if (shown !== undefined && (this.#arrived || (shown > this.#wanted - 1000 && this.#status.kind !== 'connecting'))) {
      this.#arrived = true;
      return shown;
    }
    return this.#wanted;
  }

  /** seek shows another moment. */
  seek(at: Moment): void {
    const now = this.#o.now();
    if (at === 'live' || (at >= now - liveEdge && this.#o.until === undefined)) {
      this.goLive();
      return;
    }
    const mine = ++this.#wish;
    const inside = !this.#live && this.#player.covers(at);
    this.#wanted = at;
    this.#arrived = false;
    this.#live = false;
    if (inside) {
      this.#player.seekTo(at);
    } else {
      void this.#replay(at, now, mine);
    }
  }

  /** goLive shows what happens now. */
  goLive(): void {
    this.#wish++;
    const already = this.#live && this.#player.source.url !== '';
    this.#wanted = 'live';
    this.#live = true;
    if (already) {
      this.#player.goLive();
    } else {
      this.#player.open(stretch(this.#o.api, this.#o.camera, 'live', this.#o.now()));
    }
  }

  /** skip moves by so many milliseconds; from live, back into the recording. */
  skip(ms: number): void {
    const from = this.time;
    if (from !== undefined && !(this.live && ms > 0)) {
      this.seek(from + ms);
    }
  }

  /** newest shows the end of what is recorded: live, if the camera sends. */
  async #newest(): Promise<void> {
    const mine = ++this.#wish;
    const now = this.#o.now();
    const last = await previousFootage(this.#o.api, this.#o.camera, now, this.#leave.signal);
    if (mine !== this.#wish || this.#leave.signal.aborted) {
      return;
    }
    if (last === undefined) {
      this.#player.close();
    } else {
      this.seek(last.end > now - young ? 'live' : Math.max(last.start, last.end - lastShown));
    }
  }

  /** replay opens a playlist around a moment, if there is anything in it. */
  async #replay(at: number, now: number, mine: number): Promise<void> {
    const until = this.#o.until !== undefined && at < this.#o.until ? this.#o.until : undefined;
    if (this.#o.recordedAt(at) !== true) {
      // Asking for folders is cheap, and a playlist that is not there would be an error in everybody's log.
      const start = at - before;
      const reply = await this.#o.api.coverage(
        this.#o.camera, start, Math.min(until ?? at + after, now), this.#leave.signal, 'minute');
      if (mine !== this.#wish || reply.kind === 'aborted') {
        return;
      }
      if (reply.kind === 'ok' && !reply.value.ranges.some((r) => r.end > start)) {
        await this.#nothing(at, now, mine);
        return;
      }
    }
    this.#player.open(stretch(this.#o.api, this.#o.camera, at, now, until));
  }

  /** nothing was recorded around a moment: the next footage is shown instead, or that there is none. */
  async #nothing(at: number, now: number, mine: number): Promise<void> {
    const found = this.#o.crossGaps
      ? await nextFootage(this.#o.api, this.#o.camera, at, now, this.#leave.signal)
      : undefined;
    if (mine !== this.#wish || this.#leave.signal.aborted) {
      return;
    }
    if (found === undefined) {
      this.#player.close();
    } else {
      this.#wanted = found;
      this.#player.open(stretch(this.#o.api, this.#o.camera, found, now));
    }
  }

  #changed(status: Status): void {
    this.#status = status;
    const end = this.#player.rangeEnd;
    const over = status.kind === 'ended' && !this.#live && end !== undefined;
    if (over && (this.#o.until === undefined || end < this.#o.until - 1000)) {
      this.seek(end + 1); // what comes after this stretch
    }
    this.#o.onStatus(status);
  }
}
