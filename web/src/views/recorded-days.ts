// SPDX-License-Identifier: Apache-2.0

/** Which days of a month have footage, in any zone, from answers by the hour of UTC. Pure. */

const minute = 60_000;
const hour = 60 * minute;

export interface Stretch {
  start: number;
  end: number;
}

/** A day of the calendar, as long as it is in its zone. */
export interface Day extends Stretch {
  date: string;
}

/** What answers by the hour say: the days that surely have footage, and the hours of UTC that alone decide about another. */
export interface Known {
  sure: Set<string>;
  open: number[];
}

/**
 * knownDays goes through days with ranges that are whole hours of UTC. Where midnight is in the middle of an hour, footage of that hour may
 * belong to either day: a day that has footage in another hour does not need to know, for one that has not the hour is open.
 */
export function knownDays(days: readonly Day[], ranges: readonly Stretch[]): Known {
  const sure = new Set<string>();
  const open = new Set<number>();
  for (const day of days) {
    const first = Math.ceil(day.start / hour) * hour; // the whole hours of the day
    const last = Math.floor(day.end / hour) * hour;
    if (overlaps(ranges, { start: first, end: last })) {
      sure.add(day.date);
      continue;
    }
    for (const at of [first - hour, last]) {
      if (at < day.end && at + hour > day.start && overlaps(ranges, { start: at, end: at + hour })) {
        open.add(at);
      }
    }
  }
  return { sure, open: [...open].sort((a, b) => a - b) };
}

/** daysIn returns the days that have some of these ranges, which are exact to the minute. */
export function daysIn(days: readonly Day[], ranges: readonly Stretch[]): string[] {
  return days.filter((d) => overlaps(ranges, d)).map((d) => d.date);
}

function overlaps(ranges: readonly Stretch[], s: Stretch): boolean {
  return s.end > s.start && ranges.some((r) => r.start < s.end && r.end > s.start);
}
