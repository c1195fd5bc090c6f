// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { centre, follow, longest, pan, shortest, spanOf, ticks, timeAt, xOf, zoom } from '../src/timeline/scale';

const hour = 3600_000;
const at = (text: string): number => Date.parse(text);

describe('zoom and pan', () => {
  const s = { start: at('2026-11-25T10:00:00Z'), end: at('2026-11-25T12:00:00Z') };
  const now = at('2026-11-26T00:00:00Z');
  test('keep the instant under the pointer where it is', () => {
    const around = at('2026-11-25T10:30:00Z');
    for (const factor of [0.5, 0.9, 1.1, 3]) {
      expect(xOf(zoom(s, factor, around, now), 1000, around)).toBeCloseTo(250, 6);
    }
  });
  test('stop at a minute and at a month', () => {
    expect(spanOf(zoom(s, 1e-9, s.start, now))).toBe(shortest);
    expect(spanOf(zoom(s, 1e9, s.start, now))).toBe(longest);
  });
  test('do not show the future, but a little', () => {
    for (const far of [pan(s, 100 * hour, now), centre(s, now + 100 * hour, now), zoom(s, 12, s.end, at('2026-11-25T12:00:00Z'))]) {
      expect(far.end).toBeLessThanOrEqual(now + spanOf(far) / 20 + 1);
    }
  });
  test('times and pixels are inverse', () => {
    expect(timeAt(s, 700, xOf(s, 700, s.start + 12345))).toBeCloseTo(s.start + 12345, 3);
  });
});

describe('following the playhead', () => {
  const s = { start: 0, end: 100_000 };
  test('leaves the bar alone while it is inside', () => expect(follow(s, 50_000, 1e9, false)).toEqual(s));
  test('turns a page when it leaves', () => expect(follow(s, 99_500, 1e9, false)).toEqual({ start: 89_500, end: 189_500 }));
  test('moves along with live', () => {
    const next = follow(s, 99_000, 99_000, true);
    expect(next.end - 99_000).toBe(5_000);
  });
});

describe('ticks', () => {
  const labels = (start: string, end: string, zone: string, width = 1000): string[] =>
    ticks({ start: at(start), end: at(end) }, width, zone).map((t) => t.label);
  test('stand at round times of the zone', () => {
    expect(labels('2026-11-25T10:00:00Z', '2026-11-25T12:00:00Z', 'Asia/Kolkata')).toEqual(
      ['15:30', '15:40', '15:50', '16:00', '16:10', '16:20', '16:30', '16:40', '16:50', '17:00', '17:10', '17:20', '17:30']);
  });
  test('show seconds when near', () => {
    expect(labels('2026-11-25T10:00:00Z', '2026-11-25T10:01:00Z', 'UTC', 600)).toEqual(
      ['10:00:00', '10:00:10', '10:00:20', '10:00:30', '10:00:40', '10:00:50', '10:01:00']);
  });
  test('show the date at midnight', () => {
    expect(labels('2026-11-24T21:00:00Z', '2026-11-25T09:00:00Z', 'UTC', 400)).toEqual(['21:00', '11-25', '03:00', '06:00', '09:00']);
  });
  test('skip the hour that clocks skip', () => { // Berlin, 29 March 2026: 01:00 UTC is 03:00
    const hours = labels('2026-03-29T00:00:00Z', '2026-03-29T04:00:00Z', 'Europe/Berlin', 400);
    expect(hours).toEqual(['01:00', '03:00', '04:00', '05:00', '06:00']);
  });
  test('have the hour that comes twice, twice', () => { // Berlin, 25 October 2026
    expect(labels('2026-10-25T00:00:00Z', '2026-10-25T03:00:00Z', 'Europe/Berlin', 300)).toEqual(['02:00', '02:00', '03:00', '04:00']);
  });
  test('of days count days of 23 and 25 hours as days', () => {
    const found = ticks({ start: at('2026-03-27T23:00:00Z'), end: at('2026-03-31T22:00:00Z') }, 400, 'Europe/Berlin');
    expect(found.map((t) => t.label)).toEqual(['03-28', '03-29', '03-30', '03-31', '04-01']);
    expect(found.map((t) => t.ms).slice(1).map((ms, i) => (ms - (found[i]?.ms ?? 0)) / hour)).toEqual([24, 23, 24, 24]);
  });
  test.each([1, 5, 40, 400, 3000])('are never crowded on %d px', (width) => {
    for (let span = shortest; span <= longest; span *= 1.7) {
      const all = ticks({ start: at('2026-11-20T00:00:00Z'), end: at('2026-11-20T00:00:00Z') + span }, width, 'Asia/Shanghai');
      const gaps = all.slice(1).map((t, i) => ((t.ms - (all[i]?.ms ?? 0)) / span) * width);
      expect(Math.min(Infinity, ...gaps)).toBeGreaterThan(width < 100 ? 0 : 50);
    }
  });
});
