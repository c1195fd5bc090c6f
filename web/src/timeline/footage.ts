// SPDX-License-Identifier: Apache-2.0

/** What is recorded, as far as the page knows, and the requests that find out more. */

import type { API, Result } from '../api';
import type { Range, Resolution, Sizes } from '../decode';
import type { Activity } from './draw';
import { type Scale, spanOf } from './scale';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** One kind of answer: how fine, how much of it is asked for at once, and up to which span of the bar it is used. */
interface Level {
  resolution: Resolution;
  chunk: number;
  upTo: number;
  /** whether sizes come with it: the same listing has them */
  sizes: boolean;
}

const levels: readonly Level[] = [
  { resolution: 'exact', chunk: hour, upTo: 6 * hour, sizes: true },
  { resolution: 'minute', chunk: day, upTo: 4 * day, sizes: true },
  { resolution: 'hour', chunk: 8 * day, upTo: Infinity, sizes: false },
];

/** A chunk that is not over yet is asked for again after so long. */
const freshMs: Record<Resolution, number> = { exact: 5_000, minute: 20_000, hour: 120_000, day: 600_000 };
/** The folders that a resolution looks at. */
const cells: Partial<Record<Resolution, number>> = { minute, hour, day };
const late = 20_000; // how old a segment may be when it is listed first, ms
const atOnce = 2;
const maxChunks = 400;

interface Chunk {
  start: number;
  end: number;
  level: Level;
  state: 'asked' | 'known' | 'failed';
  ranges: readonly Range[];
  activity: readonly Activity[];
  at: number; // when it was asked for, by the server's clock
  before: Chunk | undefined; // the answer before this one
  used: number;
}

/** A view of a stretch: what is recorded in it, where that is not known, and how busy it was. */
export interface View {
  ranges: readonly Range[];
  unknown: readonly { start: number; end: number }[];
  activity: readonly Activity[];
  /** the rates that stand for nothing and for much */
  rates: { low: number; high: number };
}

/** levelFor returns how finely a bar of so long a span is to be looked at. */
export function levelFor(span: number): Level {
  return levels.find((l) => span <= l.upTo) ?? levels[levels.length - 1]!;
}

/**
 * Footage keeps what /coverage said about one camera, in chunks aligned to UTC so that all bars ask for the same ones.
 * view answers at once with what is there and asks for what is missing; onChange tells when it came.
 */
export class Footage {
  readonly #chunks = new Map<string, Chunk>();
  readonly #queue: Chunk[] = [];
  #asking = 0;
  #turn = 0;
  #error: Extract<Result<unknown>, { kind: 'error' }> | undefined;
  #made: { chunks: readonly Chunk[]; version: number; second: number; view: View } | undefined; // the last answer, while it stays right
  #version = 0; // counts replies
  readonly #listeners = new Set<() => void>();

  constructor(
    readonly api: Pick<API, 'coverage'>, readonly camera: string,
    readonly now: () => number, readonly signal: AbortSignal,
  ) {}

  onChange(f: () => void): void {
    this.#listeners.add(f);
  }

  /** error says why something could not be loaded; undefined when nothing failed. */
  get error(): Extract<Result<unknown>, { kind: 'error' }> | undefined {
    return this.#error;
  }

  /** view is called for each frame that is drawn: as long as the same is shown it is the same object. */
  view(s: Scale): View {
    const level = levelFor(spanOf(s));
    const now = this.now();
    const chunks: Chunk[] = [];
    this.#turn++;
    for (let start = Math.floor(s.start / level.chunk) * level.chunk; start < Math.min(s.end, now); start += level.chunk) {
      const c = this.#chunk(level, start, now);
      c.used = this.#turn;
      chunks.push(c);
    }
    this.#forget();
    const second = Math.floor(now / 1000);
    const old = this.#made;
    if (old !== undefined && old.version === this.#version && old.second === second &&
      old.chunks.length === chunks.length && old.chunks.every((c, i) => c === chunks[i])) {
      return old.view;
    }
    const view = this.#make(level, chunks, now);
    this.#made = { chunks, version: this.#version, second, view };
    return view;
  }

  #make(level: Level, chunks: readonly Chunk[], now: number): View {
    const ranges: Range[] = [];
    const unknown: { start: number; end: number }[] = [];
    const activity: Activity[] = [];
    for (const c of chunks) {
      if (c.state === 'known' || c.ranges.length > 0) {
        join(ranges, c.ranges);
        activity.push(...c.activity);
      } else {
        join(ranges, this.#coarser(level, c.start));
        unknown.push({ start: c.start, end: Math.min(c.end, now) });
      }
    }
    return { ranges, unknown, activity, rates: scaleOf(activity) };
  }

  /** recordedAt tells whether there is footage at an instant; undefined when that is not known yet. */
  recordedAt(ms: number): boolean | undefined {
    const c = this.#finest(ms);
    if (c === undefined) {
      return undefined;
    }
    const is = c.ranges.some((r) => ms >= r.start && ms < r.end);
    return is || ms < c.at - late ? is : undefined; // what is that young may have come since it was asked for
  }

  /** cellAt returns a stretch around or just after an instant that surely has footage in it: as short as is known. */
  cellAt(ms: number): { start: number; end: number } | undefined {
    const c = this.#finest(ms);
    const range = c?.ranges.find((r) => ms >= r.start && ms < r.end);
    if (c === undefined || range === undefined) {
      return undefined;
    }
    const cell = cells[c.level.resolution];
    if (cell === undefined) {
      return { start: ms, end: ms + 1000 }; // the segment that the instant is in
    }
    const start = Math.floor(ms / cell) * cell;
    return { start, end: start + cell };
  }

  /** finest returns what is known of an instant at the finest level that was asked for. */
  #finest(ms: number): Chunk | undefined {
    for (const level of levels) {
      const c = this.#chunks.get(`${level.resolution} ${Math.floor(ms / level.chunk) * level.chunk}`);
      const known = c?.state === 'asked' ? c.before : c;
      if (known?.state === 'known') {
        return known;
      }
    }
    return undefined;
  }

  /** retry asks again for what failed. */
  retry(): void {
    this.#error = undefined;
    this.#version++;
    for (const [key, c] of this.#chunks) {
      if (c.state === 'failed') {
        this.#chunks.delete(key);
      }
    }
    this.#tell();
  }

  /** coarser returns the ranges of a chunk as a coarser level knows them, so that zooming in never shows less. */
  #coarser(level: Level, start: number): Range[] {
    const end = start + level.chunk;
    for (const l of levels.slice(levels.indexOf(level) + 1)) {
      const c = this.#chunks.get(`${l.resolution} ${Math.floor(start / l.chunk) * l.chunk}`);
      if (c?.state === 'known') {
        return c.ranges.filter((r) => r.end > start && r.start < end)
          .map((r) => ({ ...r, start: Math.max(r.start, start), end: Math.min(r.end, end) }));
      }
    }
    return [];
  }

  #chunk(level: Level, start: number, now: number): Chunk {
    const key = `${level.resolution} ${start}`;
    const old = this.#chunks.get(key);
    const stale = old !== undefined && old.state !== 'asked' && now - old.at > freshMs[level.resolution] && (
      old.state === 'failed' || old.at < old.end + 2 * minute); // late uploads: a little after its end it is asked for once more
    if (old !== undefined && !stale) {
      return old;
    }
    const c: Chunk = {
      start, end: start + level.chunk, level, state: 'asked', at: now, used: 0, before: old?.state === 'known' ? old : undefined,
      ranges: old?.ranges ?? [], activity: old?.activity ?? [],
    };
    this.#chunks.set(key, c);
    this.#queue.push(c);
    queueMicrotask(() => this.#ask());
    return c;
  }

  #ask(): void {
    while (this.#asking < atOnce && !this.signal.aborted) {
      const c = this.#queue.pop(); // what was wanted last is what is looked at
      if (c === undefined) {
        return;
      }
      if (c.used < this.#turn - 1) {
        const key = `${c.level.resolution} ${c.start}`; // scrolled away before its turn came
        if (c.before === undefined) {
          this.#chunks.delete(key);
        } else {
          this.#chunks.set(key, c.before);
        }
        continue;
      }
      this.#asking++;
      void this.#load(c);
    }
  }

  async #load(c: Chunk): Promise<void> {
    const reply = await this.api.coverage(this.camera, c.start, Math.min(c.end, this.now()), this.signal, c.level.resolution, c.level.sizes);
    this.#asking--;
    this.#version++;
    if (reply.kind === 'aborted') {
      return;
    }
    c.before = undefined;
    if (reply.kind === 'ok') {
      c.state = 'known';
      c.ranges = reply.value.ranges;
      c.activity = reply.value.sizes.map(activityOf);
      this.#error = undefined;
    } else {
      c.state = reply.reason === 'notFound' ? 'known' : 'failed';
      this.#error = reply.reason === 'notFound' ? this.#error : reply;
    }
    this.#ask();
    this.#tell();
  }

  #forget(): void {
    if (this.#chunks.size <= maxChunks) {
      return;
    }
    const old = [...this.#chunks].filter(([, c]) => c.state !== 'asked').sort(([, a], [, b]) => a.used - b.used);
    for (const [key] of old.slice(0, this.#chunks.size - maxChunks)) {
      this.#chunks.delete(key);
    }
  }

  #tell(): void {
    for (const f of this.#listeners) {
      f();
    }
  }
}

/** scaleOf returns what stands for 0 and for 1 among the rates shown: quiet stays low whatever the camera's bit rate. */
export function scaleOf(shown: readonly Activity[]): { low: number; high: number } {
  const all: number[] = [];
  for (const a of shown) {
    const every = Math.max(1, Math.floor(a.values.length / 200)); // a sample is enough
    for (let i = 0; i < a.values.length; i += every) {
      const v = a.values[i] ?? NaN;
      if (v > 0) {
        all.push(v);
      }
    }
  }
  all.sort((x, y) => x - y);
  const low = all[Math.floor(all.length * 0.1)] ?? 0;
  const high = all[Math.floor(all.length * 0.98)] ?? 0;
  return { low: low * 0.8, high: Math.max(high, low * 1.5) };
}

/** activityOf makes rates in steps of equal length out of sizes. */
export function activityOf(s: Sizes): Activity {
  if (s.step > 0) {
    return { start: s.start, step: s.step, values: Float32Array.from(s.bytes, (b) => (b / s.step) * 1000) };
  }
  const step = 1000;
  const total = s.durations.reduce((sum, d) => sum + d, 0);
  const values = new Float32Array(Math.min(Math.ceil(total / step) + 1, 48 * 3600)).fill(NaN);
  let at = 0;
  s.durations.forEach((duration, i) => {
    const rate = ((s.bytes[i] ?? 0) / Math.max(duration, 200)) * 1000;
    values.fill(rate, Math.round(at / step), Math.max(Math.round((at + duration) / step), Math.round(at / step) + 1));
    at += duration;
  });
  return { start: s.start, step, values };
}

/** join appends ranges; one that goes on where the last one ends becomes part of it. */
function join(all: Range[], more: readonly Range[]): void {
  for (const r of more) {
    const last = all[all.length - 1];
    if (last !== undefined && r.start - last.end < 1) {
      all[all.length - 1] = {
        start: last.start, end: Math.max(last.end, r.end), segments: last.segments + r.segments, bytes: last.bytes + r.bytes,
      };
    } else {
      all.push(r);
    }
  }
}
