// SPDX-License-Identifier: Apache-2.0

/**
 * Wall-clock arithmetic for the pages: instants are milliseconds since the Unix epoch (UTC), zones are IANA names or
 * 'UTC'. Pure: nothing here reads the clock or the page.
 */

/** A date and time as a clock on a wall shows it, without saying where. month is 1 to 12. */
export interface WallTime {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

/** What a wall time means in a zone: one instant, the earlier of two (clocks were set back) or none (set forward). */
export interface Instant {
  ms: number;
  kind: 'exact' | 'ambiguous' | 'skipped';
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string): Intl.DateTimeFormat {
  let f = formatters.get(zone);
  if (f === undefined) {
    f = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formatters.set(zone, f);
  }
  return f;
}

/** isZone tells whether this browser knows a zone of that name. */
export function isZone(name: string): boolean {
  try {
    formatter(name);
    return true;
  } catch {
    return false;
  }
}

/** zoneName returns the name of a zone as this browser writes it, whatever the case it came in. */
export function zoneName(name: string): string {
  return formatter(name).resolvedOptions().timeZone;
}

/** wallTime returns what a clock in zone shows at ms. Fractions of a second are cut off. */
export function wallTime(ms: number, zone: string): WallTime {
  const floored = Math.floor(ms / second) * second;
  const w: WallTime = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 };
  for (const { type, value } of formatter(zone).formatToParts(floored)) {
    switch (type) {
      case 'year':
      case 'month':
      case 'day':
      case 'hour':
      case 'minute':
      case 'second':
        w[type] = Number(value);
    }
  }
  return w;
}

/** asUTC reads a wall time as if it were UTC. */
function asUTC(w: WallTime): number {
  const d = new Date(0);
  d.setUTCFullYear(w.year, w.month - 1, w.day);
  d.setUTCHours(w.hour, w.minute, w.second, 0);
  return d.getTime();
}

/** offset returns how far the clocks of zone are ahead of UTC at ms, in milliseconds. */
export function offset(ms: number, zone: string): number {
  return asUTC(wallTime(ms, zone)) - Math.floor(ms / second) * second;
}

/**
 * instantOf returns the instant at which clocks in zone show w. Where clocks were set back it is the first of the two
 * ("ambiguous"); where they were set forward over w it is the instant as if they had not been yet ("skipped").
 */
export function instantOf(w: WallTime, zone: string): Instant {
  const naive = asUTC(w);
  // Offsets are at most 14 h and change at most once within a day or so: the offsets a day before and after are all.
  const candidates = [offset(naive - 24 * hour, zone), offset(naive + 24 * hour, zone)];
  const found = [...new Set(candidates)]
    .map((o) => naive - o)
    .filter((ms) => asUTC(wallTime(ms, zone)) === naive)
    .sort((a, b) => a - b);
  const [first] = found;
  if (first === undefined) {
    return { ms: naive - (candidates[0] ?? 0), kind: 'skipped' };
  }
  return { ms: first, kind: found.length > 1 ? 'ambiguous' : 'exact' };
}

/** dayOf returns the first instant of the calendar day in zone that contains ms, and of the next day: 23 to 25 h. */
export function dayOf(ms: number, zone: string): { start: number; end: number } {
  const w = wallTime(ms, zone);
  const midnight = { ...w, hour: 0, minute: 0, second: 0 };
  // The day after, whatever the month's length: day 32 is normalised by Date.
  return { start: instantOf(midnight, zone).ms, end: instantOf({ ...midnight, day: w.day + 1 }, zone).ms };
}

const two = (n: number): string => String(n).padStart(2, '0');

/** formatDate returns "2021-05-01". */
export function formatDate(ms: number, zone: string): string {
  const w = wallTime(ms, zone);
  return `${String(w.year).padStart(4, '0')}-${two(w.month)}-${two(w.day)}`;
}

/** formatTime returns "11:00:00". */
export function formatTime(ms: number, zone: string): string {
  const w = wallTime(ms, zone);
  return `${two(w.hour)}:${two(w.minute)}:${two(w.second)}`;
}

/** formatDateTime returns "2021-05-01 11:00:00". */
export function formatDateTime(ms: number, zone: string): string {
  return `${formatDate(ms, zone)} ${formatTime(ms, zone)}`;
}

/** formatOffset returns "UTC", "UTC+08:00" or "UTC-03:30", as it is in zone at ms. */
export function formatOffset(ms: number, zone: string): string {
  const minutes = Math.round(offset(ms, zone) / minute);
  if (minutes === 0) {
    return 'UTC';
  }
  const abs = Math.abs(minutes);
  return `UTC${minutes < 0 ? '-' : '+'}${two(Math.floor(abs / 60))}:${two(abs % 60)}`;
}

/** formatSpan returns a length of time as "0:42", "9:05" or "1:00:00". Fractions of a second are cut off. */
export function formatSpan(ms: number): string {
  const s = Math.max(0, Math.floor(ms / second));
  const minutes = Math.floor(s / 60) % 60;
  const hours = Math.floor(s / 3600);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

/** inputValue returns the value of an <input type="datetime-local" step="1"> that shows ms in zone. */
export function inputValue(ms: number, zone: string): string {
  return `${formatDate(ms, zone)}T${formatTime(ms, zone)}`;
}

/** parseInputValue reads the value of an <input type="datetime-local">: "2021-05-01T11:00" or with seconds. */
export function parseInputValue(text: string): WallTime | undefined {
  const m = /^(\d{4,6})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?$/.exec(text);
  return m === null ? undefined : wallTimeOf(m.slice(1, 7));
}

function wallTimeOf(fields: readonly (string | undefined)[]): WallTime | undefined {
  const [year = 0, month = 0, day = 0, h = 0, min = 0, sec = 0] = fields.map((f) => Number(f ?? 0));
  const w: WallTime = { year, month, day, hour: h, minute: min, second: sec };
  const d = new Date(asUTC(w));
  // Date carries 31 April over into May; a time that does not come back unchanged does not exist.
  const same =
    d.getUTCFullYear() === year && d.getUTCMonth() + 1 === month && d.getUTCDate() === day &&
    d.getUTCHours() === h && d.getUTCMinutes() === min && d.getUTCSeconds() === sec;
  return same ? w : undefined;
}

/**
 * parseInstant reads the forms of time that the API takes, all of them UTC unless they name an offset:
 * "2021-05-01 11:00:00", "2021-05-01 11-00-00", RFC 3339 with T and an offset, and Unix seconds.
 */
export function parseInstant(text: string): number | undefined {
  const t = text.trim();
  if (/^-?\d{1,12}(\.\d{1,3})?$/.test(t)) {
    return Math.round(Number(t) * second);
  }
  const m = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d)[:-](\d\d)[:-](\d\d)(\.\d+)?(?:([Zz])|([+-])(\d\d):?(\d\d))?$/.exec(t);
  if (m === null) {
    return undefined;
  }
  const w = wallTimeOf(m.slice(1, 7));
  if (w === undefined) {
    return undefined;
  }
  const fraction = Math.floor(Number(m[7] ?? 0) * second);
  const sign = m[9] === '-' ? -1 : 1;
  const ahead = sign * (Number(m[10] ?? 0) * hour + Number(m[11] ?? 0) * minute);
  return asUTC(w) + fraction - ahead;
}
