// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import type { API, Result } from '../src/api';
import type { Coverage, Range, Resolution } from '../src/decode';
import { activityOf, Footage, levelFor } from '../src/timeline/footage';
import { segmentAt } from '../src/timeline/playlist';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const noon = Date.UTC(2026, 10, 20, 12);

interface Call {
  start: number;
  end: number;
  resolution: Resolution | undefined;
  sizes: boolean;
  answer: (r: Result<Coverage>) => void;
}

/** server collects what is asked for; answers come when the test says so. */
function server(): { api: Pick<API, 'coverage'>; calls: Call[]; signal: AbortController } {
  const calls: Call[] = [];
  const api: Pick<API, 'coverage'> = {
    coverage: (_c, start, end, _s, resolution, sizes = false) =>
      new Promise((answer) => calls.push({ start, end, resolution, sizes, answer })),
  };
  return { api, calls, signal: new AbortController() };
}

const range = (start: number, end: number): Range => ({ start, end, segments: 1, bytes: 1 });
const ok = (...ranges: Range[]): Result<Coverage> => ({ kind: 'ok', value: { ranges, sizes: [] } });
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

describe('what is asked for', () => {
  test('is as fine as the bar is short', () => {
    expect(levelFor(minute).resolution).toBe('exact');
    expect(levelFor(6 * hour).resolution).toBe('exact');
    expect(levelFor(day).resolution).toBe('minute');
    expect(levelFor(7 * day).resolution).toBe('hour');
    expect(levelFor(31 * day).resolution).toBe('hour');
  });

  test('is asked for in whole chunks, two at a time, the last wanted first, each once', async () => {
    const { api, calls, signal } = server();
    const f = new Footage(api, 'c', () => noon, signal.signal);
    for (let i = 0; i < 5; i++) {
      f.view({ start: noon - 4 * hour - minute, end: noon - minute });
    }
    await turn();
    expect(calls.map((c) => [(noon - c.start) / hour, c.resolution, c.sizes])).toEqual([[1, 'exact', true], [2, 'exact', true]]);
    calls[0]!.answer(ok(range(noon - hour, noon)));
    await turn();
    expect(calls.length).toBe(3);
    for (const c of calls) {
      c.answer(ok());
    }
    await turn();
    calls[3]?.answer(ok());
    calls[4]?.answer(ok());
    await turn();
    expect(calls.map((c) => (noon - c.start) / hour).sort()).toEqual([1, 2, 3, 4, 5]);
  });

  test('is not asked for any more when it was scrolled away before its turn came', async () => {
    const { api, calls, signal } = server();
    const f = new Footage(api, 'c', () => noon, signal.signal);
    f.view({ start: noon - 6 * hour, end: noon - minute });
    await turn();
    expect(calls.length).toBe(2);
    for (let i = 0; i < 3; i++) {
      f.view({ start: noon - 40 * day, end: noon - 40 * day + minute });
    }
    calls[0]!.answer(ok());
    calls[1]!.answer(ok());
    await turn();
    calls[2]!.answer(ok());
    await turn();
    expect(calls.slice(2).map((c) => c.start)).toEqual([noon - 40 * day]);
  });

  test('is asked for again while it may still change, and keeps what was known meanwhile', async () => {
    const { api, calls, signal } = server();
    let now = noon - minute;
    const f = new Footage(api, 'c', () => now, signal.signal);
    const shown = { start: now - 10 * minute, end: now };
    f.view(shown);
    await turn();
    calls[0]!.answer(ok(range(now - 5 * minute, now - 30 * second)));
    await turn();
    expect(f.view(shown).ranges.length).toBe(1);
    now += 6 * second;
    expect(f.view(shown).ranges.length).toBe(1);
    await turn();
    expect(calls.length).toBe(2);
    expect(f.view(shown).ranges.length, 'while it is under way').toBe(1);
    expect(f.recordedAt(now - 2 * minute), 'while it is under way').toBe(true);
    now = noon + 3 * minute;
    calls[1]!.answer(ok(range(now - 5 * minute, now - 4 * minute)));
    await turn();
    f.view({ start: noon - 10 * minute, end: noon - minute });
    await turn();
    expect(calls.length, 'once more after its end').toBe(3);
    calls[2]!.answer(ok());
    now += hour;
    await turn();
    f.view({ start: noon - 10 * minute, end: noon - minute });
    await turn();
    expect(calls.length, 'never again').toBe(3);
  });
});

describe('what is known', () => {
  test('is the same object from frame to frame as long as nothing changes', async () => {
    const { api, calls, signal } = server();
    const f = new Footage(api, 'c', () => noon, signal.signal);
    const shown = { start: noon - 30 * minute, end: noon - 10 * minute };
    f.view(shown);
    await turn();
    const before = f.view(shown);
    expect(f.view({ start: shown.start + second, end: shown.end + second })).toBe(before);
    calls[0]!.answer(ok(range(noon - hour, noon - 20 * minute)));
    await turn();
    expect(f.view(shown)).not.toBe(before);
    expect(f.view(shown).ranges).toEqual([range(noon - hour, noon - 20 * minute)]);
  });

  test('joins where chunks meet', async () => {
    const { api, calls, signal } = server();
    const f = new Footage(api, 'c', () => noon, signal.signal);
    const shown = { start: noon - 90 * minute, end: noon - 10 * minute };
    f.view(shown);
    await turn();
    calls[0]!.answer(ok(range(noon - hour, noon - 20 * minute)));
    calls[1]!.answer(ok(range(noon - 2 * hour, noon - 80 * minute), range(noon - 70 * minute, noon - hour)));
    await turn();
    expect(f.view(shown).ranges.map((r) => [(noon - r.start) / minute, (noon - r.end) / minute])).toEqual([[120, 80], [70, 20]]);
  });

  test('of a moment is yes, no, or not known, and young footage is not denied', async () => {
    const { api, calls, signal } = server();
    const f = new Footage(api, 'c', () => noon - minute, signal.signal);
    expect(f.recordedAt(noon - 30 * minute)).toBeUndefined();
    f.view({ start: noon - 30 * minute, end: noon - minute });
    await turn();
    calls[0]!.answer(ok(range(noon - 40 * minute, noon - 20 * minute)));
    await turn();
    expect(f.recordedAt(noon - 30 * minute)).toBe(true);
    expect(f.recordedAt(noon - 10 * minute)).toBe(false);
    expect(f.recordedAt(noon - minute - 5 * second)).toBeUndefined();
    expect(f.cellAt(noon - 30 * minute)).toEqual({ start: noon - 30 * minute, end: noon - 30 * minute + second });
  });

  test('by the hour names a stretch that surely has footage', async () => {
    const { api, calls, signal } = server();
    const f = new Footage(api, 'c', () => noon, signal.signal);
    f.view({ start: noon - 7 * day, end: noon });
    await turn();
    calls.forEach((c) => c.answer(ok(range(noon - 2 * day, noon - 2 * day + hour))));
    await turn();
    expect(f.cellAt(noon - 2 * day + 7 * minute)).toEqual({ start: noon - 2 * day, end: noon - 2 * day + hour });
    expect(f.cellAt(noon - 3 * day)).toBeUndefined();
  });

  test('includes why something failed, until it is tried again', async () => {
    const { api, calls, signal } = server();
    const f = new Footage(api, 'c', () => noon, signal.signal);
    const shown = { start: noon - 30 * minute, end: noon - 10 * minute };
    f.view(shown);
    await turn();
    calls[0]!.answer({ kind: 'error', reason: 'server', code: 'x', message: 'y' });
    await turn();
    expect(f.error?.code).toBe('x');
    f.retry();
    expect(f.error).toBeUndefined();
    f.view(shown);
    await turn();
    expect(calls.length).toBe(2);
  });
});

describe('activity', () => {
  test('is bytes a second', () => {
    const a = activityOf({ start: noon, step: 0, durations: [3000, 3000, 2000], bytes: [300, 600, 100] });
    expect([...a.values.slice(0, 8)]).toEqual([100, 100, 100, 200, 200, 200, 50, 50]);
    expect([...activityOf({ start: noon, step: minute, durations: [], bytes: [6000] }).values]).toEqual([100]);
  });
});

describe('a playlist', () => {
  const text = [
    '#EXTM3U', '#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:00.000Z', '#EXTINF:3.000,', 'a.ts', '#EXTINF:3.000,', 'b.ts',
    '#EXT-X-DISCONTINUITY', '#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:10:00.000Z', '#EXTINF:3.000,', 'c.ts', '#EXT-X-ENDLIST', '',
  ].join('\n');
  const cases: [string, number, string][] = [
    ['inside the first', 1, 'a.ts'], ['at the begin of the second', 3, 'b.ts'], ['near the end of the second', 5.9, 'b.ts'],
    ['in the gap, nearer to the second', 60, 'b.ts'], ['in the gap, nearer to the third', 500, 'c.ts'], ['after all', 9999, 'c.ts'],
    ['before all', -50, 'a.ts'],
  ];
  test.each(cases)('has the segment %s', (_, at, want) => expect(segmentAt(text, noon + at * second)).toBe(want));
  test('without segments has none', () => expect(segmentAt('#EXTM3U\n', noon)).toBeUndefined());
});
