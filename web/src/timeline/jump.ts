// SPDX-License-Identifier: Apache-2.0

/** Where the buttons "previous recording" and "next recording" lead. */

import type { API } from '../api';
import { nextFootage, previousFootage } from './find-footage';

const second = 1000;
const hour = 3600 * second;
const seam = 1500; // what is at most so far apart is one recording
const farthest = 200; // requests after which a recording without an end is taken to end

type Coverage = Pick<API, 'coverage'>;

/**
 * jumpBack returns where going back leads from here: inside a recording to its begin, near its begin to the begin of the one before,
 * from a gap to shortly before the recording broke off. undefined when nothing was recorded before.
 */
export async function jumpBack(api: Coverage, camera: string, here: number, signal: AbortSignal): Promise<number | undefined> {
  const current = await previousFootage(api, camera, here, signal);
  if (current === undefined) {
    return undefined;
  }
  if (here > current.end + second && current.end - current.start > 60 * second) {
    return current.end - 10 * second;
  }
  if (here - current.start > 10 * second) {
    return current.start;
  }
  return (await previousFootage(api, camera, current.start - 1, signal))?.start ?? current.start;
}

/** jumpOn returns where the recording that is there begins after the next gap; undefined when it goes on until now. */
export async function jumpOn(api: Coverage, camera: string, here: number, now: number, signal: AbortSignal): Promise<number | undefined> {
  const current = await previousFootage(api, camera, here + second, signal);
  const from = current !== undefined && current.end > here ? await endOf(api, camera, current.end, now, signal) : here;
  return nextFootage(api, camera, from + 1, now, signal);
}

/** endOf follows a recording to where it breaks off. */
async function endOf(api: Coverage, camera: string, from: number, now: number, signal: AbortSignal): Promise<number> {
  let end = from;
  for (let tries = 0; tries < farthest && end < now && !signal.aborted; tries++) {
    const reply = await api.coverage(camera, end, Math.min(end + 6 * hour, now), signal);
    const range = reply.kind === 'ok' ? reply.value.ranges.find((r) => r.end > end) : undefined;
    if (range === undefined || range.start > end + seam) {
      return end;
    }
    end = range.end;
  }
  return end;
}
