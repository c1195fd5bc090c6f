// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { ServerClock } from '../src/clock';

const date = (ms: number): string => new Date(ms).toUTCString();

test('a local clock that may be right is left alone', () => {
  const c = new ServerClock(() => 5_000_400);
  c.observe(date(5_000_000), 5_000_300, 5_000_400);
  expect(c.offset).toBe(0);
  expect(c.now()).toBe(5_000_400);
});

test('several replies narrow the offset down to less than the second that one reply tells', () => {
  const off = 3_600_250; // the server is an hour ahead
  const c = new ServerClock(() => 0);
  for (let local = 10_000_000; local < 10_020_000; local += 1_370) {
    const server = local + off;
    c.observe(date(server), local - 20, local + 20);
  }
  expect(Math.abs(c.offset - off)).toBeLessThan(150);
});

test('a clock that was set is believed anew', () => {
  const c = new ServerClock(() => 0);
  c.observe(date(60_000), 1_000, 1_010);
  c.observe(date(1_000_000), 2_000, 2_010);
  expect(Math.abs(c.offset - 998_500)).toBeLessThan(1_000);
});

test('replies without a date change nothing', () => {
  const c = new ServerClock(() => 7);
  c.observe(null, 1, 2);
  c.observe('yesterday', 1, 2);
  c.observe(undefined, 1, 2);
  expect(c.now()).toBe(7);
});
