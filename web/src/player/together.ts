// SPDX-License-Identifier: Apache-2.0

import type { Status } from './camera-player';
import type { Moment, Watch } from './watch';

/** How far a picture may be from the common time before it is made to catch up, and before it jumps; ms. */
const tolerated = 120;
const jump = 2_500;
const longestWait = 6_000; // for one that loads; then the others go on

/** One camera of a group. */
export interface Member {
  watch: () => Watch | undefined;
  status: () => Status;
  /** whether there is footage at a moment; undefined when that is not known */
  recordedAt: (ms: number) => boolean | undefined;
  /** shows or hides the picture: nothing was recorded at the common time */
  setAbsent: (absent: boolean) => void;
}

/** correction says how much faster than the common rate a picture must play that is behind by so many ms. Pure. */
export function correction(behind: number): number {
  return Math.abs(behind) < tolerated ? 1 : 1 + Math.min(Math.max(behind / 4000, -0.25), 0.25);
}

/**
 * Together plays several cameras on one clock. The clock is its own: it stands still while a picture loads, and runs through
 * gaps of one camera while the others play. Live, each camera is simply live.
 */
export class Together {
  readonly #members: readonly Member[];
  #time: number | undefined; // the common time; undefined = live
  #at = 0; // when it was last brought up to date, local ms
  #waitSince: number | undefined;
  #playing = true;
  #rate = 1;
  readonly #absent = new Set<Member>();

  constructor(members: readonly Member[], at: Moment) {
    this.#members = members;
    this.#time = at === 'live' ? undefined : at;
    this.#at = performance.now();
  }

  get time(): number | undefined {
    return this.#time;
  }

  get live(): boolean {
    return this.#time === undefined;
  }

  get playing(): boolean {
    return this.#playing;
  }

  get rate(): number {
    return this.#rate;
  }

  set rate(r: number) {
    this.#rate = r;
  }

  seek(at: Moment): void {
    this.#time = at === 'live' ? undefined : at;
    this.#at = performance.now();
    this.#waitSince = undefined;
    this.#absent.clear();
    for (const m of this.#members) {
      m.setAbsent(false);
      m.watch()?.seek(at);
    }
    if (at === 'live') {
      this.#rate = 1;
      this.#playing = true;
    }
  }

  toggle(): void {
    this.#playing = !this.#playing;
    for (const m of this.#members) {
      const player = m.watch()?.player;
      if (this.#playing) {
        player?.play();
      } else {
        player?.pause();
      }
    }
  }

  /** tick is to be called some times a second. now is the server's time. */
  tick(now: number): void {
    const local = performance.now();
    const passed = local - this.#at;
    this.#at = local;
    if (this.#time === undefined) {
      return;
    }
    const waiting = this.#members.some((m) => !this.#absent.has(m) && m.watch() !== undefined &&
      (m.status().kind === 'connecting' || m.status().kind === 'buffering'));
    this.#waitSince = waiting ? this.#waitSince ?? local : undefined;
    const hold = this.#waitSince !== undefined && local - this.#waitSince < longestWait;
    if (this.#playing && !hold) {
      this.#time = Math.min(this.#time + passed * this.#rate, now);
    }
    for (const m of this.#members) {
      this.#lead(m, this.#time, hold);
    }
  }

  /** lead brings one picture to the common time. */
  #lead(m: Member, time: number, hold: boolean): void {
    const watch = m.watch();
    if (watch === undefined) {
      return;
    }
    if (m.recordedAt(time) === false) {
      if (!this.#absent.has(m)) {
        this.#absent.add(m);
        m.setAbsent(true);
        watch.player.pause();
      }
      return;
    }
    if (this.#absent.delete(m)) {
      m.setAbsent(false);
      watch.seek(time);
      watch.player.play();
    }
    const shown = watch.time;
    if (shown === undefined || m.status().kind !== 'playing') {
      if (this.#playing && m.status().kind === 'paused' && !hold) {
        watch.player.play();
      }
      return;
    }
    const behind = time - shown;
    if (Math.abs(behind) > jump * Math.max(1, this.#rate)) {
      watch.seek(time);
      return;
    }
    watch.player.rate = hold && behind < -tolerated ? 0.5 : this.#rate * correction(behind);
    if (!this.#playing) {
      watch.player.pause();
    }
  }
}
