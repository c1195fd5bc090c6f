// SPDX-License-Identifier: Apache-2.0

/**
 * Finding the footage nearest to a moment at which there is none: first exactly and nearby, then by folders of days a year at a time,
 * then in the day that was found by hours, and in the hour exactly. Whatever the gap, that is a handful of requests.
 */

import type { API } from '../api';
import type { Range, Resolution } from '../decode';

const hour = 3600_000;
const day = 24 * hour;
const near = 6 * hour;
const year = 366 * day;
const most = 24; // rounds of the search

type Coverage = Pick<API, 'coverage'>;

/** nextFootage returns when footage begins at or after from: from itself when there is some; undefined when there is none until now. */
export async function nextFootage(
  api: Coverage, camera: string, from: number, now: number, signal: AbortSignal,
): Promise<number | undefined> {
  const first = async (start: number, end: number, resolution: Resolution): Promise<Range | undefined> => {
    const reply = await api.coverage(camera, start, Math.min(end, now), signal, resolution);
    return reply.kind === 'ok' ? reply.value.ranges.find((r) => r.end > start) : undefined;
  };
  if (from >= now) {
    return undefined;
  }
  const close = await first(from, from + near, 'exact');
  if (close !== undefined) {
    return Math.max(close.start, from);
  }
  // A folder that is found may hold only what lies before the moment: then the search goes on after it.
  for (let at = from + near, tries = 0; at < now && tries < most && !signal.aborted; tries++) {
    const inDay = await first(at, at + year, 'day');
    if (inDay === undefined) {
      at += year;
      continue;
    }
    const day0 = Math.max(inDay.start, at);
    const inHour = await first(day0, day0 + 2 * day, 'hour');
    if (inHour === undefined) {
      at = day0 + 2 * day;
      continue;
    }
    const hour0 = Math.max(inHour.start, day0);
    const found = await first(hour0, hour0 + 2 * hour, 'exact');
    if (found !== undefined) {
      return Math.max(found.start, hour0);
    }
    at = hour0 + 2 * hour;
  }
  return undefined;
}

/** previousFootage returns the footage that was the last before a moment, as far as it lies before it; undefined when there is none. */
export async function previousFootage(
  api: Coverage, camera: string, before: number, signal: AbortSignal,
): Promise<Range | undefined> {
  const last = async (start: number, end: number, resolution: Resolution): Promise<Range | undefined> => {
    const reply = await api.coverage(camera, Math.max(start, 0), end, signal, resolution);
    return reply.kind === 'ok' ? reply.value.ranges.filter((r) => r.start < end).pop() : undefined;
  };
  const upTo = (r: Range | undefined, end: number): Range | undefined => r && { ...r, end: Math.min(r.end, end) };
  const close = await last(before - near, before, 'exact');
  if (close !== undefined) {
    return upTo(close, before);
  }
  for (let end = before - near, tries = 0; end > 0 && tries < most && !signal.aborted; tries++) {
    const inDay = await last(end - year, end, 'day');
    if (inDay === undefined) {
      end -= year;
      continue;
    }
    const day1 = Math.min(inDay.end, end);
    const inHour = await last(day1 - 2 * day, day1, 'hour');
    if (inHour === undefined) {
      end = day1 - 2 * day;
      continue;
    }
    const hour1 = Math.min(inHour.end, day1);
    const found = await last(hour1 - 2 * hour, hour1, 'exact');
    if (found !== undefined) {
      return upTo(found, hour1);
    }
    end = hour1 - 2 * hour;
  }
  return undefined;
}
