// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { dayOf, formatDate } from '../src/time';
import { type Day, daysIn, knownDays, type Stretch } from '../src/views/recorded-days';

const minute = 60_000;
const hour = 60 * minute;

/** month returns the days between two instants in a zone. */
function month(from: string, to: string, zone: string): Day[] {
  const days: Day[] = [];
  for (let at = dayOf(Date.parse(from), zone).start; at < Date.parse(to);) {
    const day = dayOf(at, zone);
    days.push({ ...day, date: formatDate(at, zone) });
    at = day.end;
  }
  return days;
}

/** cells answers as the server does: the folders of a length that have footage. */
const cells = (footage: readonly Stretch[], length: number): Stretch[] => footage.flatMap((f) => {
  const found: Stretch[] = [];
  for (let at = Math.floor(f.start / length) * length; at < f.end; at += length) {
    found.push({ start: at, end: at + length });
  }
  return found;
});

/** marked is what the calendar marks, and how many hours it asks about. */
function marked(zone: string, footage: readonly Stretch[], from = '2024-03-01T12:00:00Z', to = '2024-04-01T00:00:00Z'): { days: string[]; asked: number } {
  const days = month(from, to, zone);
  const { sure, open } = knownDays(days, cells(footage, hour));
  for (const at of open) {
    const inside = cells(footage, minute).filter((c) => c.start >= at && c.end <= at + hour);
    daysIn(days, inside).forEach((d) => sure.add(d));
  }
  return { days: [...sure].sort(), asked: open.length };
}

const at = (text: string, minutes = 1): Stretch => ({ start: Date.parse(text), end: Date.parse(text) + minutes * minute });

describe('days with footage', () => {
  test('are known without asking more where midnight is a full hour of UTC', () => {
    for (const zone of ['UTC', 'Asia/Shanghai', 'America/New_York']) {
      const found = marked(zone, [at('2024-03-05T15:59:00Z'), at('2024-03-10T16:00:00Z')]);
      expect(found.asked).toBe(0);
      expect(found.days.length).toBe(2);
    }
  });

  test.each([
    // Kolkata: midnight is 18:30 UTC.
    ['Asia/Kolkata', '2024-03-05T18:29:00Z', '2024-03-05'],
    ['Asia/Kolkata', '2024-03-05T18:30:00Z', '2024-03-06'],
    // Kathmandu: 18:15 UTC.
    ['Asia/Kathmandu', '2024-03-05T18:14:00Z', '2024-03-05'],
    ['Asia/Kathmandu', '2024-03-05T18:15:00Z', '2024-03-06'],
    // St. John's: 03:30 UTC, from 10 March on 02:30.
    ['America/St_Johns', '2024-03-05T03:29:00Z', '2024-03-04'],
    ['America/St_Johns', '2024-03-20T02:30:00Z', '2024-03-20'],
    // Chatham: 10:15 UTC.
    ['Pacific/Chatham', '2024-03-05T10:14:00Z', '2024-03-05'],
    // Lord Howe in summer: 13:00 UTC, a full hour.
    ['Australia/Lord_Howe', '2024-03-05T12:59:00Z', '2024-03-05'],
    ['Australia/Lord_Howe', '2024-03-05T13:00:00Z', '2024-03-06'],
  ])('%s: a minute at %s is on %s and on no other', (zone, when, date) => {
    const found = marked(zone, [at(when)]);
    expect(found.days).toEqual([date]);
    expect(found.asked).toBe(zone === 'Australia/Lord_Howe' ? 0 : 1);
  });

  test('Lord Howe: on the day the clocks go back by half an hour midnight moves into the middle of an hour', () => {
    // 7 April 2024, 02:00 becomes 01:30: that day ends at 13:30 UTC and the next ones too.
    const april = (when: string): { days: string[]; asked: number } => marked('Australia/Lord_Howe', [at(when)], '2024-04-02T00:00:00Z', '2024-04-30T00:00:00Z');
    expect(april('2024-04-06T12:59:00Z')).toEqual({ days: ['2024-04-06'], asked: 0 });
    expect(april('2024-04-07T13:29:00Z')).toEqual({ days: ['2024-04-07'], asked: 1 });
    expect(april('2024-04-07T13:30:00Z')).toEqual({ days: ['2024-04-08'], asked: 1 });
  });

  test('are not asked about where both days have footage anyway', () => {
    const found = marked('Asia/Kolkata', [at('2024-03-05T12:00:00Z', 24 * 60)]);
    expect(found).toEqual({ days: ['2024-03-05', '2024-03-06'], asked: 0 });
    expect(marked('Asia/Kolkata', [{ start: Date.parse('2024-02-01T00:00:00Z'), end: Date.parse('2024-05-01T00:00:00Z') }]).asked).toBe(0);
  });

  test('cost one more question for each midnight at most', () => {
    const nights = Array.from({ length: 33 }, (_, i) => at(new Date(Date.UTC(2024, 1, 28 + i, 18, 29)).toISOString(), 2));
    const found = marked('Asia/Kolkata', nights, '2024-03-01T12:00:00Z', '2024-03-31T12:00:00Z');
    expect(found.days.length).toBe(31);
    expect(found.asked).toBe(32);
  });
});
