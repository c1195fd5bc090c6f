// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import {
  dayOf, formatDateTime, formatOffset, formatSpan, inputValue, instantOf, offset, parseInputValue, parseInstant, wallTime,
} from '../src/time';

const at = (iso: string): number => Date.parse(iso);
const hour = 3600_000;

describe('an instant on a wall clock', () => {
  const table: [name: string, iso: string, zone: string, want: string, label: string][] = [
    ['UTC is itself', '2021-05-01T11:00:00Z', 'UTC', '2021-05-01 11:00:00', 'UTC'],
    ['China has no daylight saving', '2021-05-01T11:00:00Z', 'Asia/Shanghai', '2021-05-01 19:00:00', 'UTC+08:00'],
    ['Berlin in winter', '2021-01-01T00:00:00Z', 'Europe/Berlin', '2021-01-01 01:00:00', 'UTC+01:00'],
    ['Berlin in summer', '2021-07-01T00:00:00Z', 'Europe/Berlin', '2021-07-01 02:00:00', 'UTC+02:00'],
    ['Newfoundland is half an hour off', '2021-01-01T00:00:00Z', 'America/St_Johns', '2020-12-31 20:30:00', 'UTC-03:30'],
    ['midnight is 00, not 24', '2021-01-01T00:00:00Z', 'UTC', '2021-01-01 00:00:00', 'UTC'],
    ['fractions are cut off', '2021-01-01T00:00:00.999Z', 'UTC', '2021-01-01 00:00:00', 'UTC'],
    ['before 1970 too', '1969-12-31T23:59:59.500Z', 'UTC', '1969-12-31 23:59:59', 'UTC'],
  ];
  test.each(table)('%s', (_, iso, zone, want, label) => {
    expect(formatDateTime(at(iso), zone)).toBe(want);
    expect(formatOffset(at(iso), zone)).toBe(label);
  });
});

describe('a wall time as an instant', () => {
  const table: [name: string, wall: string, zone: string, iso: string, kind: string][] = [
    ['UTC', '2021-05-01T11:00:00', 'UTC', '2021-05-01T11:00:00Z', 'exact'],
    ['Shanghai', '2021-05-01T11:00:00', 'Asia/Shanghai', '2021-05-01T03:00:00Z', 'exact'],
    ['Berlin, set forward over it', '2021-03-28T02:30:00', 'Europe/Berlin', '2021-03-28T01:30:00Z', 'skipped'],
    ['Berlin, set back: the first of the two', '2021-10-31T02:30:00', 'Europe/Berlin', '2021-10-31T00:30:00Z', 'ambiguous'],
    ['Berlin, just before it is set back', '2021-10-31T01:59:59', 'Europe/Berlin', '2021-10-30T23:59:59Z', 'exact'],
    ['Berlin, just after', '2021-10-31T03:00:00', 'Europe/Berlin', '2021-10-31T02:00:00Z', 'exact'],
    ['New York, set back', '2021-11-07T01:30:00', 'America/New_York', '2021-11-07T05:30:00Z', 'ambiguous'],
    ['Lord Howe moves by half an hour', '2021-04-04T01:45:00', 'Australia/Lord_Howe', '2021-04-03T14:45:00Z', 'ambiguous'],
    ['Kiritimati is 14 h ahead', '2021-01-01T00:00:00', 'Pacific/Kiritimati', '2020-12-31T10:00:00Z', 'exact'],
  ];
  test.each(table)('%s', (_, wall, zone, iso, kind) => {
    const w = parseInputValue(wall);
    expect(w).toBeDefined();
    if (w !== undefined) {
      expect(instantOf(w, zone)).toEqual({ ms: at(iso), kind });
    }
  });

  test('comes back unchanged through every half hour of two years in zones with odd rules', () => {
    for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/Sao_Paulo']) {
      for (let ms = at('2018-01-01T00:00:00Z'); ms < at('2020-01-01T00:00:00Z'); ms += 13.5 * hour) {
        const { ms: back, kind } = instantOf(wallTime(ms, zone), zone);
        const same = back === ms || (kind === 'ambiguous' && ms - back <= hour && ms > back);
        expect(same, `${zone} ${new Date(ms).toISOString()} ${kind}`).toBe(true);
      }
    }
  });
});

describe('a calendar day', () => {
  const table: [name: string, iso: string, zone: string, start: string, hours: number][] = [
    ['is 24 h as a rule', '2021-05-01T11:00:00Z', 'Asia/Shanghai', '2021-04-30T16:00:00Z', 24],
    ['has 23 h when clocks are set forward', '2021-03-28T12:00:00Z', 'Europe/Berlin', '2021-03-27T23:00:00Z', 23],
    ['has 25 h when clocks are set back', '2021-10-31T12:00:00Z', 'Europe/Berlin', '2021-10-30T22:00:00Z', 25],
    ['may begin at 01:00', '2018-11-04T12:00:00Z', 'America/Sao_Paulo', '2018-11-04T03:00:00Z', 23],
    ['ends with the month', '2021-01-31T23:59:59Z', 'UTC', '2021-01-31T00:00:00Z', 24],
  ];
  test.each(table)('%s', (_, iso, zone, start, hours) => {
    const day = dayOf(at(iso), zone);
    expect(new Date(day.start).toISOString()).toBe(new Date(start).toISOString());
    expect((day.end - day.start) / hour).toBe(hours);
  });
});

describe('times that people and links write', () => {
  const good: [text: string, iso: string][] = [
    ['2021-05-01 11:00:00', '2021-05-01T11:00:00Z'],
    ['2021-05-01 11-00-00', '2021-05-01T11:00:00Z'],
    ['2021-05-01T11:00:00Z', '2021-05-01T11:00:00Z'],
    ['2021-05-01t11:00:00.25z', '2021-05-01T11:00:00.250Z'],
    ['2021-05-01T11:00:00.123456789Z', '2021-05-01T11:00:00.123Z'],
    ['2021-05-01T19:00:00+08:00', '2021-05-01T11:00:00Z'],
    ['2021-05-01T07:30:00-03:30', '2021-05-01T11:00:00Z'],
    ['1619866800', '2021-05-01T11:00:00Z'],
    ['0', '1970-01-01T00:00:00Z'],
    [' 2020-02-29 00:00:00 ', '2020-02-29T00:00:00Z'],
  ];
  test.each(good)('%s is %s', (text, iso) => expect(parseInstant(text)).toBe(at(iso)));

  test.each(['', 'now', '2021-05-01', '2021-04-31 00:00:00', '2021-02-29 00:00:00', '2021-13-01 00:00:00',
    '2021-05-01 24:00:00', '2021-05-01 11:60:00', '2021-05-01 11:00', '1e9', '99999999999999'])('%j is no time',
    (text) => expect(parseInstant(text)).toBeUndefined());

  test('what a date field holds goes in and out', () => {
    const ms = at('2021-05-01T11:00:07Z');
    expect(inputValue(ms, 'Asia/Shanghai')).toBe('2021-05-01T19:00:07');
    expect(parseInputValue('2021-05-01T19:00')).toEqual({ year: 2021, month: 5, day: 1, hour: 19, minute: 0, second: 0 });
    expect(parseInputValue('2021-06-31T19:00')).toBeUndefined();
    expect(parseInputValue('')).toBeUndefined();
  });
});

test('spans of time are short to read', () => {
  expect([0, 42_900, 545_000, 3_600_000, 90_061_000].map(formatSpan)).toEqual(['0:00', '0:42', '9:05', '1:00:00', '25:01:01']);
});

test('the offset of a zone ignores fractions of a second', () => {
  expect(offset(at('2021-05-01T11:00:00.700Z'), 'Asia/Shanghai')).toBe(8 * hour);
});
