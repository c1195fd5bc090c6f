// SPDX-License-Identifier: Apache-2.0

/** A playlist that is made longer while it plays. Pure. */

import type { ListedSegment } from '../timeline/playlist';

/** keyOf is what an address says about which segment it is: signatures and the way to the store may differ. */
const keyOf = (uri: string): string => uri.replace(/[?#].*/, '').split('/').slice(-6).join('/');

/**
 * following returns what of next comes after the last of held. The two should overlap, so that the server has said whether time
 * stamps go on there; where they do not, they are taken not to.
 */
export function following(held: readonly ListedSegment[], next: readonly ListedSegment[]): ListedSegment[] {
  const last = held[held.length - 1];
  if (last === undefined) {
    return [...next];
  }
  const same = next.findIndex((s) => keyOf(s.uri) === keyOf(last.uri));
  if (same >= 0) {
    return next.slice(same + 1);
  }
  const end = last.programTime === undefined ? Infinity : last.programTime + last.duration * 1000;
  const fresh = next.filter((s) => s.programTime !== undefined && s.programTime > end - 500);
  return fresh.map((s, i) => (i === 0 ? { ...s, discontinuity: true } : s));
}
