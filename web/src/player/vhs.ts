// SPDX-License-Identifier: Apache-2.0

/**
 * The few things of Video.js's HTTP streaming (VHS 3.17) that its types do not describe, read with checks. They are not
 * all public: if an update takes one away, the views still play, only later than they could (open returns undefined).
 */

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
