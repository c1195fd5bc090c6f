// SPDX-License-Identifier: Apache-2.0

/**
 * segmentAt returns the address of the segment that has an instant (ms since the epoch) in it, or of the nearest one, out of a
 * playlist as the server writes it; undefined when it lists none. Pure.
 */
export function segmentAt(playlist: string, ms: number): string | undefined {
  let at: number | undefined; // when the next segment begins
  let duration = 0;
  let best: { address: string; distance: number } | undefined;
  for (const line of playlist.split('\n').map((l) => l.trim())) {
    if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) {
      at = Date.parse(line.slice('#EXT-X-PROGRAM-DATE-TIME:'.length));
    } else if (line.startsWith('#EXTINF:')) {
      duration = (Number.parseFloat(line.slice('#EXTINF:'.length)) || 0) * 1000;
    } else if (line !== '' && !line.startsWith('#')) {
      const end: number = (at ?? 0) + duration;
      const distance = at === undefined ? 0 : Math.max(at - ms, ms - end + 1, 0);
      if (best === undefined || distance < best.distance) {
        best = { address: line, distance };
      }
      at = at === undefined ? undefined : end;
    }
  }
  return best?.address;
}
