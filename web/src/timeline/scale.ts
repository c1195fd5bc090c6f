// SPDX-License-Identifier: Apache-2.0

/** What a timeline shows and how: instants (ms since the epoch) against pixels, zoom, pan, and where ticks stand. Pure. */

import { dayOf, formatDate, instantOf, offset, wallTime } from '../time';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** The stretch of time that is shown. */
export interface Scale {
  start: number;
  end: number;
}

export const shortest = minute;
export const longest = 31 * day;

export const spanOf = (s: Scale): number => s.end - s.start;

/** xOf returns where an instant is on a bar of so many pixels; timeAt is its inverse. */
export const xOf = (s: Scale, width: number, ms: number): number => ((ms - s.start) / spanOf(s)) * width;
export const timeAt = (s: Scale, width: number, x: number): number => s.start + (x / width) * spanOf(s);

/**
 * zoom changes the span by a factor (below 1: closer) so that the instant around stays where it is. The span stays within
 * shortest and longest, and nothing after latest is shown but a twentieth of the bar.
 */
export function zoom(s: Scale, factor: number, around: number, latest: number): Scale {
  const span = Math.min(Math.max(spanOf(s) * factor, shortest), longest);
  const left = ((around - s.start) / spanOf(s)) * span;
  return within({ start: around - left, end: around - left + span }, latest);
}

/** pan moves by so many milliseconds, and stops at the same limit as zoom. */
export function pan(s: Scale, ms: number, latest: number): Scale {
  return within({ start: s.start + ms, end: s.end + ms }, latest);
}

/** centre shows the instant in the middle, with the span as it was. */
export function centre(s: Scale, ms: number, latest: number): Scale {
  const half = spanOf(s) / 2;
  return within({ start: ms - half, end: ms + half }, latest);
}

function within(s: Scale, latest: number): Scale {
  const over = s.end - (latest + spanOf(s) / 20);
  const start = Math.max(over > 0 ? s.start - over : s.start, 0);
  return { start, end: start + spanOf(s) };
}

/**
 * follow keeps a moving playhead in view: when it leaves on the right the bar turns a page, so that the playhead is a
 * tenth from the left; live keeps it where it is, near the right end.
 */
export function follow(s: Scale, playhead: number, latest: number, live: boolean): Scale {
  if (live) {
    const over = playhead - (s.end - spanOf(s) / 20);
    return over > 0 ? { start: s.start + over, end: s.end + over } : s;
  }
  if (playhead >= s.start && playhead <= s.end - spanOf(s) / 50) {
    return s;
  }
  const start = playhead - spanOf(s) / 10;
  return within({ start, end: start + spanOf(s) }, latest);
}

export interface Tick {
  ms: number;
  label: string;
  /** a new day begins here: the label is a date */
  date: boolean;
}

const steps = [
  second, 2 * second, 5 * second, 10 * second, 15 * second, 30 * second,
  minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute,
  hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 7 * day,
];

const two = (n: number): string => String(n).padStart(2, '0');

/**
 * ticks returns where labels stand: at round times of the zone, at least so many pixels apart. Days of 23 and 25 hours are
 * right: an hour that clocks skip has no tick, one that comes twice has two.
 */
export function ticks(s: Scale, width: number, zone: string, apart = 76): Tick[] {
  const wanted = (spanOf(s) / Math.max(width, 1)) * apart;
  const step = steps.find((x) => x >= wanted) ?? 7 * day;
  return step >= day ? dayTicks(s, zone, Math.round(step / day)) : clockTicks(s, zone, step);
}

/** clockTicks: steps within a day. A step of hours counts from midnight on the wall. */
function clockTicks(s: Scale, zone: string, step: number): Tick[] {
  const found: Tick[] = [];
  const small = Math.min(step, hour); // stepping by at most an hour meets every hour of a day, whatever its length
  const ahead = offset(s.start, zone) % hour;
  for (let ms = Math.ceil((s.start + ahead) / small) * small - ahead; ms <= s.end && found.length < 400; ms += small) {
    const w = wallTime(ms, zone);
    if (step > hour && (w.hour * hour) % step !== 0) {
      continue;
    }
    const midnight = w.hour === 0 && w.minute === 0 && w.second === 0;
    const label = step < minute ? `${two(w.hour)}:${two(w.minute)}:${two(w.second)}` : `${two(w.hour)}:${two(w.minute)}`;
    found.push({ ms, label: midnight ? formatDate(ms, zone).slice(5) : label, date: midnight });
  }
  return found;
}

/** dayTicks: every so many days, counted from the start of the month so that panning does not change which. */
function dayTicks(s: Scale, zone: string, every: number): Tick[] {
  const found: Tick[] = [];
  for (let at = dayOf(s.start, zone).start; at <= s.end && found.length < 400; at = dayOf(at, zone).end) {
    const w = wallTime(at, zone);
    if (at >= s.start && (w.day - 1) % every === 0 && !(every > 1 && w.day > 30 - every / 2)) {
      found.push({ ms: at, label: formatDate(at, zone).slice(5), date: true });
    }
  }
  return found;
}

/** dayScale shows the calendar day of an instant as a whole. */
export function dayScale(ms: number, zone: string): Scale {
  return dayOf(ms, zone);
}

/** sameClock returns the instant at which clocks in zone show on another day what they show at ms. */
export function sameClock(ms: number, otherDay: number, zone: string): number {
  const w = wallTime(ms, zone);
  const d = wallTime(otherDay, zone);
  return instantOf({ ...w, year: d.year, month: d.month, day: d.day }, zone).ms;
}
