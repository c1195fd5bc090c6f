// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import type { API, Result } from '../src/api';
import type { Coverage, Resolution } from '../src/decode';
import { covers, positionOf, type TimedSegment } from '../src/player/program-time';
import { nextFootage, previousFootage } from '../src/timeline/find-footage';

const hour = 3600_000;
const day = 24 * hour;
const signal = new AbortController().signal;

/** recorded answers coverage as the server does. */
function recorded(...ranges: [number, number][]): Pick<API, 'coverage'> & { asked: number } {
  const api = {
    asked: 0,
    coverage: async (
      _c: string, start: number, end: number, _s: AbortSignal, resolution: Resolution = 'exact',
    ): Promise<Result<Coverage>> => {
      api.asked++;
      const step = { exact: 1, minute: 60_000, hour, day }[resolution];
      const found = ranges
        .map(([a, b]) => [Math.floor(a / step) * step, Math.ceil(b / step) * step] as const)
        .filter(([a, b]) => b > start && a < end)
        .map(([a, b]) => ({ start: Math.max(a, start), end: Math.min(b, end), segments: 1, bytes: 1 }));
      return { kind: 'ok', value: { ranges: found, sizes: [] } };
    },
  };
  return api;
}

describe('footage near a moment without any', () => {
  const now = 20_000 * day;
  test.each([0.3, 1, 5, 30, 400])('is found %d days on', async (days) => {
    const at = now - 500 * day;
    const start = at + days * day + 123_456;
    const api = recorded([at - 10, at], [start, start + hour]);
    expect(await nextFootage(api, 'c', at, now, signal)).toBe(start);
    expect(api.asked).toBeLessThan(8);
  });
  test('is found although the day had some before the moment', async () => {
    const at = now - 500 * day + 12 * hour;
    const api = recorded([at - hour, at], [at + 7 * day, at + 7 * day + hour]);
    expect(await nextFootage(api, 'c', at + 1, now, signal)).toBe(at + 7 * day);
    expect((await previousFootage(api, 'c', at + 7 * day - 1, signal))?.end).toBe(at);
  });
  test('is the moment itself when there is some', async () => {
    expect(await nextFootage(recorded([0, now]), 'c', 5 * day, now, signal)).toBe(5 * day);
  });
  test('is not invented', async () => {
    expect(await nextFootage(recorded([0, day]), 'c', 2 * day, now, signal)).toBeUndefined();
  });
  test.each([0.3, 1, 5, 30, 400])('is found %d days back', async (days) => {
    const end = now - days * day - 123_456;
    const found = await previousFootage(recorded([end - 20_000, end]), 'c', now, signal);
    expect(found?.end).toBe(end);
  });
  test('that does not exist is looked for in vain, and not for ever', async () => {
    const api = recorded();
    expect(await previousFootage(api, 'c', now, signal)).toBeUndefined();
    expect(api.asked).toBeLessThan(30);
  });
});

describe('a program time on the player\'s time line', () => {
  const segments: TimedSegment[] = [
    { duration: 3, programTime: 100_000, start: undefined },
    { duration: 3, programTime: 103_000, start: 3.02 },
    { duration: 3, programTime: 200_000, start: undefined }, // after a gap
  ];
  test('counts from a segment that was loaded', () => expect(positionOf(104_000, segments)).toBeCloseTo(4.02));
  test('in a gap is where the footage after it begins', () => expect(positionOf(150_000, segments)).toBeCloseTo(6.02));
  test('of a playlist of which nothing was loaded counts from its begin', () => {
    expect(positionOf(201_000, segments.map((s) => ({ ...s, start: undefined })))).toBeCloseTo(7);
  });
  test('is covered from the first picture to the end', () => {
    expect([99_999, 100_000, 150_000, 202_999, 203_000].map((ms) => covers(ms, segments))).toEqual([false, true, true, true, false]);
  });
});
