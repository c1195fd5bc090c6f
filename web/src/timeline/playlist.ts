// SPDX-License-Identifier: Apache-2.0

/** Playlists as the server writes them. Pure. */

/** A segment of a playlist. */
export interface ListedSegment {
  uri: string;
  /** in seconds */
  duration: number;
  /** program time of its begin, ms; undefined when the playlist said none */
  programTime: number | undefined;
  /** whether its time stamps may not continue those of the one before */
  discontinuity: boolean;
}

/** parseSegments reads the segments of a playlist as the server writes it; each has a time once one of them has. */
export function parseSegments(playlist: string): ListedSegment[] {
  const found: ListedSegment[] = [];
  let at: number | undefined;
  let duration = 0;
  let discontinuity = false;
  for (const line of playlist.split('\n').map((l) => l.trim())) {
    if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) {
      at = Date.parse(line.slice('#EXT-X-PROGRAM-DATE-TIME:'.length));
    } else if (line.startsWith('#EXTINF:')) {
      duration = Number.parseFloat(line.slice('#EXTINF:'.length)) || 0;
    } else if (line === '#EXT-X-DISCONTINUITY') {
      discontinuity = true;
    } else if (line !== '' && !line.startsWith('#')) {
      found.push({ uri: line, duration, programTime: at, discontinuity });
      at = at === undefined ? undefined : at + duration * 1000;
      discontinuity = false;
    }
  }
  return found;
}

/** segmentAt returns the address of the segment that has an instant (ms since the epoch) in it, or of the nearest one; undefined when there is none. */
export function segmentAt(playlist: string, ms: number): string | undefined {
  let best: { address: string; distance: number } | undefined;
  for (const s of parseSegments(playlist)) {
    const end = (s.programTime ?? 0) + s.duration * 1000;
    const distance = s.programTime === undefined ? 0 : Math.max(s.programTime - ms, ms - end + 1, 0);
    if (best === undefined || distance < best.distance) {
      best = { address: s.uri, distance };
    }
  }
  return best?.address;
}
