// SPDX-License-Identifier: Apache-2.0

/**
 * A piece of the recording as one MPEG-TS file, put together by the page, for servers that make no clips: the stored segments, whole, one
 * behind the other. Nothing is left out silently: a segment that cannot be had ends the file in an error.
 */

import type { API, Result } from '../api';
import { type ListedSegment, parseSegments } from './playlist';

/** What would be in the file. Times are ms since the epoch. */
export interface Piece {
  /** with absolute addresses */
  segments: readonly ListedSegment[];
  start: number;
  end: number;
  /** where nothing was recorded in between */
  gaps: readonly { start: number; end: number }[];
  /** about the size; 0 = not known */
  bytes: number;
}

/** Where the file goes. A write may take its time: nothing more is fetched meanwhile than is on its way. */
export interface Sink {
  write(part: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** How it ended. missing: a segment could not be had, which begins at a moment. */
export type Outcome =
  | { kind: 'ok'; bytes: number }
  | { kind: 'aborted' }
  | { kind: 'tooBig' }
  | { kind: 'missing'; at: number; reason: 'damaged' | Extract<Result<never>, { kind: 'error' }>['reason']; message: string }
  | { kind: 'notWritten'; message: string };

type Server = Pick<API, 'playlist' | 'replayURL' | 'segment' | 'coverage'>;

const seam = 1500; // ms: what is at most so far apart is one recording
const tries = 4;
const ahead = 2; // segments on their way while one is written
const packet = 188;
const syncByte = 0x47;

/** pieceOf makes a piece of a playlist; undefined when it lists nothing with a time. */
export function pieceOf(playlist: string, playlistURL: string, bytes: number): Piece | undefined {
  const segments = parseSegments(playlist).map((s) => ({ ...s, uri: new URL(s.uri, playlistURL).href }));
  const gaps: { start: number; end: number }[] = [];
  let end: number | undefined;
  for (const s of segments) {
    if (s.programTime === undefined) {
      return undefined;
    }
    if (end !== undefined && s.programTime > end + seam) {
      gaps.push({ start: end, end: s.programTime });
    }
    end = s.programTime + s.duration * 1000;
  }
  const start = segments[0]?.programTime;
  return start === undefined || end === undefined ? undefined : { segments, start, end, gaps, bytes };
}

/** findPiece asks what a file of a range would hold. */
export async function findPiece(api: Server, camera: string, from: number, to: number, signal: AbortSignal): Promise<Result<Piece>> {
  const url = api.replayURL(camera, from, to);
  const [playlist, coverage] = await Promise.all([api.playlist(url, signal), api.coverage(camera, from, to, signal, 'exact')]);
  if (playlist.kind !== 'ok') {
    return playlist;
  }
  const bytes = coverage.kind === 'ok' ? coverage.value.ranges.reduce((sum, r) => sum + r.bytes, 0) : 0;
  const piece = pieceOf(playlist.value, url, bytes);
  return piece === undefined ? { kind: 'error', reason: 'notFound', code: 'no_segments', message: '' } : { kind: 'ok', value: piece };
}

export interface FetchOptions {
  camera: string;
  piece: Piece;
  sink: Sink;
  /** more bytes than this are not fetched */
  most: number;
  signal: AbortSignal;
  progress: (bytes: number, segments: number) => void;
  /** waits so many ms before the next try */
  pause?: (ms: number) => Promise<void>;
}

/** fetchPiece writes the segments of a piece into a sink, in order. */
export async function fetchPiece(api: Server, o: FetchOptions): Promise<Outcome> {
  const { piece: { segments }, sink } = o;
  const stop = new AbortController();
  const end = (): void => stop.abort();
  o.signal.addEventListener('abort', end);
  const coming: Promise<Outcome | Uint8Array<ArrayBuffer>>[] = [];
  let bytes = 0;
  try {
    for (let i = 0, asked = 0; i < segments.length; i++) {
      for (; asked < segments.length && asked <= i + ahead; asked++) {
        coming[asked] = one(api, o, segments[asked]!, stop.signal);
      }
      const part = await coming[i]!;
      delete coming[i];
      if (!(part instanceof Uint8Array)) {
        return o.signal.aborted ? { kind: 'aborted' } : part;
      }
      bytes += part.length;
      if (bytes > o.most) {
        return { kind: 'tooBig' };
      }
      try {
        await sink.write(part);
      } catch (e) {
        return { kind: 'notWritten', message: e instanceof Error ? e.message : String(e) };
      }
      if (o.signal.aborted) {
        return { kind: 'aborted' };
      }
      o.progress(bytes, i + 1);
    }
    return { kind: 'ok', bytes };
  } finally {
    stop.abort();
    o.signal.removeEventListener('abort', end);
  }
}

/** one fetches a segment, again when that fails, and from a fresh address when the old one is no longer valid. */
async function one(api: Server, o: FetchOptions, s: ListedSegment, signal: AbortSignal): Promise<Outcome | Uint8Array<ArrayBuffer>> {
  const pause = o.pause ?? ((ms: number) => new Promise((resolve) => setTimeout(resolve, ms)));
  const at = s.programTime ?? 0;
  let { uri } = s;
  let last: Outcome = { kind: 'aborted' };
  for (let n = 0; n < tries && !signal.aborted; n++) {
    if (n > 0) {
      await pause(500 * 2 ** (n - 1));
    }
    const reply = await api.segment(uri, signal);
    if (reply.kind === 'aborted' || signal.aborted) {
      return { kind: 'aborted' };
    }
    if (reply.kind === 'ok') {
      const { value } = reply;
      if (value.length >= packet && value[0] === syncByte) {
        return value;
      }
      last = { kind: 'missing', at, reason: 'damaged', message: '' };
      continue;
    }
    last = { kind: 'missing', at, reason: reply.reason, message: reply.message };
    if (reply.reason === 'notFound') {
      return last; // deleted meanwhile
    }
    if (reply.reason === 'denied' || reply.reason === 'expired' || reply.reason === 'badRequest') {
      uri = await fresh(api, o.camera, s, signal) ?? uri; // a signed address lasts for some time only
    }
  }
  return signal.aborted ? { kind: 'aborted' } : last;
}

async function fresh(api: Server, camera: string, s: ListedSegment, signal: AbortSignal): Promise<string | undefined> {
  const at = s.programTime ?? 0;
  const url = api.replayURL(camera, at + 100, at + 200);
  const playlist = await api.playlist(url, signal);
  const [found] = playlist.kind === 'ok' ? parseSegments(playlist.value) : [];
  return found === undefined ? undefined : new URL(found.uri, url).href;
}

/** nameOf is what the server would call the file: the camera, when it begins (UTC), and how long it is. */
export function nameOf(camera: string, piece: Pick<Piece, 'start' | 'end'>): string {
  const stamp = `${new Date(piece.start).toISOString().slice(0, 19).replaceAll(':', '-')}Z`;
  const name = `${camera}_${stamp}_${Math.round((piece.end - piece.start) / 1000)}s`;
  return `${name.replace(/[/\\:*?"<>|;%]/g, '-').replace(/[\p{Cc}\p{Cf}]/gu, '').replace(/^[ .]+|[ .]+$/g, '')}.ts`;
}
