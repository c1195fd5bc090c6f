// SPDX-License-Identifier: Apache-2.0

/**
 * The few things of Video.js's HTTP streaming (VHS 3.17) that its types do not describe, read with checks. They are not
 * all public: if an update takes one away, the views still play, only later than they could (open returns undefined).
 */

import { type ListedSegment, parseSegments } from '../timeline/playlist';
import { following } from './longer';
import type { TimedSegment } from './program-time';

export interface Playlist {
  segments: readonly TimedSegment[];
  /** in seconds */
  targetDuration: number;
  ended: boolean;
}

/** One stream that VHS plays. */
export interface Stream {
  /** playlist returns the playlist as last loaded, with where its segments lie on the time line. */
  playlist(): Playlist | undefined;
  /** around returns the segments near a player position, in order: all of a live window, a few of a long replay. */
  around(position: number): readonly TimedSegment[];
  /** setLiveDelay sets how far before the end the seekable range ends and live playback begins, in seconds. */
  setLiveDelay(seconds: number): void;
  /** setStart makes playback begin so many seconds after the playlist's start. Before the first play only. */
  setStart(seconds: number): void;
  /** append makes a playlist that has ended longer by what another one has after it; false when that is nothing, or cannot be done. */
  append(playlist: string): boolean;
  /** reload asks for the playlist now; nothing happens while a request is under way. */
  reload(): void;
  /** onPlaylist calls f after each playlist that was loaded, before VHS acts on it. */
  onPlaylist(f: () => void): void;
}

type Loose = Record<string, unknown>;

function isObject(v: unknown): v is Loose {
  return typeof v === 'object' && v !== null;
}

interface Loader extends Loose {
  main?: unknown;
  haveMetadata?: unknown;
  media(): unknown;
  trigger(event: string): void;
  on(event: string, f: () => void): void;
}

function isLoader(v: unknown): v is Loader {
  return (
    isObject(v) && typeof v['media'] === 'function' && typeof v['trigger'] === 'function' && typeof v['on'] === 'function'
  );
}

const number = (v: unknown): number | undefined => (typeof v === 'number' && Number.isFinite(v) ? v : undefined);

function timed(v: unknown): TimedSegment {
  if (!isObject(v)) {
    return { duration: 0, programTime: undefined, start: undefined };
  }
  // start is set once the segment was appended; it is where its video begins on the player's own time line.
  return { duration: number(v['duration']) ?? 0, programTime: number(v['programDateTime']), start: number(v['start']) };
}

function listed(v: unknown): ListedSegment {
  const s: Loose = isObject(v) ? v : {};
  return {
    uri: typeof s['uri'] === 'string' ? s['uri'] : '', duration: number(s['duration']) ?? 0,
    programTime: number(s['programDateTime']), discontinuity: s['discontinuity'] === true,
  };
}

/** longer is what VHS would have read from a playlist with these segments in addition; reading it would take 25 us for each of all. */
function longer(m: Loose, more: readonly ListedSegment[]): Loose {
  const segments: unknown[] = Array.isArray(m['segments']) ? [...m['segments']] : [];
  const breaks: unknown[] = Array.isArray(m['discontinuityStarts']) ? [...m['discontinuityStarts']] : [];
  const last: unknown = segments[segments.length - 1];
  let timeline = (isObject(last) ? number(last['timeline']) : undefined) ?? 0;
  let total = number(m['totalDuration']) ?? 0;
  let target = number(m['targetDuration']) ?? 0;
  for (const s of more) {
    if (s.discontinuity) {
      timeline++;
      breaks.push(segments.length);
    }
    const time = s.programTime === undefined ? undefined : new Date(s.programTime);
    segments.push({
      uri: s.uri, duration: s.duration, timeline, ...(s.discontinuity ? { discontinuity: true } : {}),
      ...(time === undefined ? {} : { programDateTime: time.getTime(), dateTimeObject: time, dateTimeString: time.toISOString() }),
    });
    total += s.duration;
    target = Math.max(target, Math.round(s.duration));
  }
  return {
    ...m, segments, discontinuityStarts: breaks, targetDuration: target, endList: true,
    ...(m['totalDuration'] === undefined ? {} : { totalDuration: total }),
  };
}

/** A live window is looked at as a whole; of anything longer, so many segments on each side of where one looks. */
const wholeWindow = 50;
const neighbours = 4;

/** open finds the stream of a Video.js tech; undefined when the browser plays HLS by itself or VHS is another one. */
export function open(tech: unknown): Stream | undefined {
  const vhs = isObject(tech) ? tech['vhs'] : undefined;
  const loader = isObject(vhs) ? vhs['playlists'] : undefined;
  if (!isLoader(loader)) {
    return undefined;
  }
  const media = (): Loose | undefined => {
    const m = loader.media();
    return isObject(m) && Array.isArray(m['segments']) ? m : undefined;
  };
  let measured: Loose | undefined; // the playlist that ends belongs to
  let ends: Float64Array<ArrayBuffer> = new Float64Array(0); // where each segment ends by the sum of durations
  return {
    around(position) {
      const m = media();
      const all: readonly unknown[] = m !== undefined && Array.isArray(m['segments']) ? m['segments'] : [];
      if (all.length <= wholeWindow) {
        return all.map(timed);
      }
      if (m !== measured || ends.length !== all.length) {
        measured = m;
        ends = new Float64Array(all.length);
        let sum = 0;
        all.forEach((s, i) => {
          sum += isObject(s) ? number(s['duration']) ?? 0 : 0;
          ends[i] = sum;
        });
      }
      const at = ends.findIndex((end) => position < end);
      const middle = at < 0 ? all.length - 1 : at;
      return all.slice(Math.max(0, middle - neighbours), middle + neighbours + 1).map(timed);
    },
    playlist() {
      const m = media();
      if (m === undefined) {
        return undefined;
      }
      const segments = Array.isArray(m['segments']) ? m['segments'].map(timed) : [];
      return { segments, targetDuration: number(m['targetDuration']) ?? 0, ended: m['endList'] === true };
    },
    setLiveDelay(seconds) {
      if (isObject(loader.main)) {
        loader.main['suggestedPresentationDelay'] = seconds; // VHS reads it before any other rule
      }
    },
    setStart(seconds) {
      const m = media();
      if (m !== undefined) {
        m['start'] = { timeOffset: seconds, precise: true }; // as if EXT-X-START stood in the playlist
      }
    },
    append(playlist) {
      const m = media();
      if (m === undefined || m['endList'] !== true || typeof loader.haveMetadata !== 'function' || loader['state'] !== 'HAVE_METADATA') {
        return false;
      }
      const held = Array.isArray(m['segments']) ? m['segments'].map(listed) : [];
      const more = following(held, parseSegments(playlist));
      if (more.length === 0) {
        return false;
      }
      // As if the player had asked for its playlist again: it keeps what it knows of the segments that it had. A list that has ended
      // would not be replaced, and what is under way for it would be taken for the end.
      m['endList'] = false;
      loader.haveMetadata({ playlistObject: longer(m, more), url: m['uri'], id: m['id'] });
      return true;
    },
    reload() {
      loader.trigger('mediaupdatetimeout');
    },
    onPlaylist(f) {
      loader.on('playlistparsecomplete', () => {
        if (media() !== undefined) {
          f();
        }
      });
    },
  };
}
