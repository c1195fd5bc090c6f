// SPDX-License-Identifier: Apache-2.0

/** The one place that calls fetch. Every result says whether it worked, was called off by the view, or failed and why. */

import type { ServerClock } from './clock';
import {
  type APIError,
  type Camera,
  type Coverage,
  decodeCameras,
  decodeConfig,
  decodeCoverage,
  decodeError,
  DecodeError,
  decodeSession,
  decodeShared,
  type Resolution,
  type Session,
  type Shared,
  type SiteConfig,
} from './decode';
import { segmentAt } from './timeline/playlist';
import type { Span, Viewer } from './viewer';

export type Result<T> =
  | { kind: 'ok'; value: T }
  | { kind: 'aborted' }
  | { kind: 'error'; reason: Reason; code: string; message: string };

/** Why a call failed, as far as a viewer can do something about it. */
export type Reason = 'offline' | 'expired' | 'denied' | 'notFound' | 'badRequest' | 'server';

/** A call that takes longer than this is given up, in milliseconds. */
const timeout = 20_000;
/** A segment is bigger, and the way may be slow. */
const segmentTimeout = 120_000;

/** Who wants to know how the server is. Called for every reply, or lack of one. */
export interface Observer {
  /** an answer came, whatever it says */
  heard(): void;
  /** none came */
  lost(): void;
  /** the server does not know, or no longer, who is asking (401); code is what it says about it */
  denied(code: string): void;
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** loadConfig reads config.json beside the page. */
export function loadConfig(pageURL: string, clock: ServerClock, signal: AbortSignal): Promise<Result<SiteConfig>> {
  return new API(pageURL, '', clock).config(signal);
}

export class API {
  readonly #base: string;
  readonly #clock: ServerClock;
  readonly #fetch: Fetch;
  readonly #observer: Observer | undefined;
  readonly #viewer: Pick<Viewer, 'token' | 'rangeOf'>;

  /**
   * pageURL is the page's own address; apiBase is config.json's: '' or another origin's address. viewer is asked at each call: a link's
   * token goes along as a bearer, or in the address where a player or a download asks; of a link to a range nothing else is asked for.
   */
  constructor(
    pageURL: string, apiBase: string, clock: ServerClock, observer?: Observer, fetcher: Fetch = (u, i) => fetch(u, i),
    viewer: Pick<Viewer, 'token' | 'rangeOf'> = { token: undefined, rangeOf: () => undefined },
  ) {
    const base = new URL(apiBase === '' ? '.' : apiBase, pageURL.replace(/#.*/, ''));
    this.#base = base.href.endsWith('/') ? base.href : `${base.href}/`;
    this.#clock = clock;
    this.#observer = observer;
    this.#viewer = viewer;
    this.#fetch = async (url, init) => {
      const response = await fetcher(url, init);
      if (response.status !== 401) { // else what is wrong is in its body: see failure
        observer?.heard();
      }
      return response;
    };
  }

  config(signal: AbortSignal): Promise<Result<SiteConfig>> {
    return this.#json(`${this.#base}config.json`, decodeConfig, signal);
  }

  /** cameras lists every camera that has footage. */
  cameras(signal: AbortSignal): Promise<Result<Camera[]>> {
    return this.#json(this.#url('cameras', {}), decodeCameras, signal);
  }

  /** coverage lists what is recorded between two instants, in order; without a resolution as finely as the server likes. */
  coverage(
    camera: string, start: number, end: number, signal: AbortSignal, resolution?: Resolution, sizes = false,
  ): Promise<Result<Coverage>> {
    const query: Record<string, string> = { camera_id: camera };
    if (resolution !== undefined) {
      query['resolution'] = resolution;
    }
    if (sizes) {
      query['activity'] = '1';
    }
    const span = this.#within(camera, start, end);
    if (span === undefined) {
      return Promise.resolve({ kind: 'ok', value: { ranges: [], sizes: [] } });
    }
    query['start'] = rfc3339(span.start);
    query['end'] = rfc3339(span.end);
    return this.#json(this.#url('coverage', query), decodeCoverage, signal);
  }

  /** liveURL is the live window's playlist. */
  liveURL(camera: string): string {
    return this.#url('playlist.m3u8', { camera_id: camera, ...this.#token() });
  }

  /** replayURL is the playlist of a range; without end it keeps growing. */
  replayURL(camera: string, start: number, end: number | undefined): string {
    const range = this.#viewer.rangeOf(camera);
    const span = range === undefined ? undefined : this.#within(camera, start, end ?? range.end) ?? range;
    const query: Record<string, string> = { camera_id: camera, start: rfc3339(span?.start ?? start) };
    const until = span?.end ?? end;
    if (until !== undefined) {
      query['end'] = rfc3339(until);
    }
    return this.#url('replay.m3u8', { ...query, ...this.#token() });
  }

  /** clipURL is the address of a piece of video as a file, for the browser's own download. */
  clipURL(camera: string, start: number, end: number, format: 'mp4' | 'ts'): string {
    return this.#clip(camera, start, end, format, this.#token());
  }

  #clip(camera: string, start: number, end: number, format: 'mp4' | 'ts', token: Record<string, string>): string {
    const span = this.#within(camera, start, end) ?? { start, end };
    return this.#url(`clip.${format}`, { camera_id: camera, start: rfc3339(span.start), end: rfc3339(span.end), ...token });
  }

  /** session asks who the server takes the viewer for. That it knows nobody is an answer, and not told to the observer. */
  session(signal: AbortSignal): Promise<Result<Session>> {
    return this.#json(this.#url('session', {}), decodeSession, signal, { quiet: true });
  }

  /** signOut ends the session. */
  async signOut(signal: AbortSignal): Promise<Result<void>> {
    const reply = await this.#get(this.#url('session', {}), signal, { method: 'DELETE' });
    return reply.kind === 'ok' ? { kind: 'ok', value: undefined } : reply;
  }

  /** share makes a link to a camera, or to a range of it only. */
  share(
    camera: string, seconds: number, clips: boolean, range: Span | undefined, signal: AbortSignal,
  ): Promise<Result<Shared>> {
    const wish = {
      camera_id: camera, expires_in: seconds, rights: clips ? ['watch', 'clip'] : ['watch'],
      ...(range === undefined ? {} : { start: rfc3339(range.start), end: rfc3339(range.end) }),
    };
    return this.#json(this.#url('share', {}), decodeShared, signal, { method: 'POST', body: JSON.stringify(wish) });
  }

  /**
   * clip loads that file; progress is told how many bytes are there and how many it will be about (0 = not known). A file of more than
   * most bytes is not loaded: it is for the browser to put on a disk as it comes.
   */
  async clip(
    camera: string, start: number, end: number, format: 'mp4' | 'ts', most: number, signal: AbortSignal,
    progress: (done: number, about: number) => void,
  ): Promise<Result<Clip | 'tooBig'>> {
    try {
      const response = await this.#fetch(this.#clip(camera, start, end, format, {}), { signal, headers: this.#bearer() });
      if (!response.ok || response.body === null) {
        return this.#failure(response.status, await response.text());
      }
      const about = Number(response.headers.get('X-S3cam-Estimated-Bytes') ?? response.headers.get('Content-Length') ?? 0);
      const parts: Uint8Array<ArrayBuffer>[] = [];
      let done = 0;
      const reader = response.body.getReader();
      for (;;) {
        if (Math.max(done, about) > most) {
          await reader.cancel();
          return { kind: 'ok', value: 'tooBig' };
        }
        const { done: ended, value } = await reader.read();
        if (ended) {
          break;
        }
        parts.push(value);
        done += value.length;
        progress(done, about);
      }
      const type = format === 'mp4' ? 'video/mp4' : 'video/mp2t';
      return { kind: 'ok', value: { file: new Blob(parts, { type }), name: fileName(response.headers.get('Content-Disposition')) } };
    } catch (e) {
      return this.#thrown(e, signal);
    }
  }

  /** segmentAt returns the address of the segment at a moment, or nearest to it, looked for in a stretch that has footage. */
  async segmentAt(camera: string, ms: number, within: { start: number; end: number }, signal: AbortSignal): Promise<Result<string>> {
    const playlistURL = this.replayURL(camera, within.start, within.end);
    const playlist = await this.#get(playlistURL, signal);
    if (playlist.kind !== 'ok') {
      return playlist;
    }
    const segment = segmentAt(playlist.value, ms);
    return segment === undefined
      ? { kind: 'error', reason: 'notFound', code: 'no_segments', message: '' }
      : { kind: 'ok', value: new URL(segment, playlistURL).href };
  }

  /** head returns the first bytes of a segment. */
  async head(segmentURL: string, bytes: number, signal: AbortSignal): Promise<Result<Uint8Array<ArrayBuffer>>> {
    try {
      const response = await this.#fetch(segmentURL, { signal, headers: { Range: `bytes=0-${bytes - 1}` } });
      return response.ok
        ? { kind: 'ok', value: new Uint8Array(await response.arrayBuffer()) }
        : this.#failure(response.status, await response.text());
    } catch (e) {
      return this.#thrown(e, signal);
    }
  }

  /** segment returns a whole segment. */
  async segment(segmentURL: string, signal: AbortSignal): Promise<Result<Uint8Array<ArrayBuffer>>> {
    const call = new AbortController();
    const stop = (): void => call.abort();
    const timer = setTimeout(stop, segmentTimeout);
    signal.addEventListener('abort', stop);
    try {
      const response = await this.#fetch(segmentURL, { signal: call.signal });
      return response.ok
        ? { kind: 'ok', value: new Uint8Array(await response.arrayBuffer()) }
        : this.#failure(response.status, await response.text());
    } catch (e) {
      return this.#thrown(e, signal);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  /** playlist returns the text of a playlist. */
  playlist(url: string, signal: AbortSignal): Promise<Result<string>> {
    return this.#get(url, signal);
  }

  /** check asks why a playlist does not play; ok means that it is there now. */
  async check(playlistURL: string, signal: AbortSignal): Promise<Result<void>> {
    const reply = await this.#get(playlistURL, signal);
    return reply.kind === 'ok' ? { kind: 'ok', value: undefined } : reply;
  }

  #url(path: string, query: Record<string, string>): string {
    const search = new URLSearchParams(query).toString();
    return `${this.#base}${path}${search === '' ? '' : `?${search}`}`;
  }

  /** token is the query that carries a link's token, for addresses that others than this class ask for. */
  #token(): Record<string, string> {
    const { token } = this.#viewer;
    return token === undefined ? {} : { token };
  }

  #bearer(): Record<string, string> {
    const { token } = this.#viewer;
    return token === undefined ? {} : { Authorization: `Bearer ${token}` };
  }

  /** within cuts a stretch to what the viewer may see of a camera; undefined: nothing of it. */
  #within(camera: string, start: number, end: number): Span | undefined {
    const range = this.#viewer.rangeOf(camera);
    if (range === undefined) {
      return { start, end };
    }
    const span = { start: Math.max(start, range.start), end: Math.min(end, range.end) };
    return span.end > span.start ? span : undefined;
  }

  async #json<T>(url: string, decode: (v: unknown) => T, signal: AbortSignal, how: How = {}): Promise<Result<T>> {
    const reply = await this.#get(url, signal, { bearer: true, ...how });
    if (reply.kind !== 'ok') {
      return reply;
    }
    try {
      return { kind: 'ok', value: decode(JSON.parse(reply.value)) };
    } catch (e) {
      const message = e instanceof DecodeError ? e.message : 'the reply is not JSON';
      return { kind: 'error', reason: 'server', code: 'bad_reply', message };
    }
  }

  #thrown(e: unknown, signal: AbortSignal): Result<never> {
    if (signal.aborted) {
      return { kind: 'aborted' };
    }
    this.#observer?.lost();
    return { kind: 'error', reason: 'offline', code: 'network', message: e instanceof Error ? e.message : String(e) };
  }

  /** failure reads an error reply, and tells when it is about who is asking. */
  #failure(status: number, body: string, quiet = false): Result<never> {
    const result = failure(status, body);
    if (status === 401 && result.kind === 'error' && !quiet) {
      this.#observer?.denied(result.code);
    }
    return result;
  }

  /** get returns the body of a successful reply. */
  async #get(url: string, signal: AbortSignal, how: How = {}): Promise<Result<string>> {
    const call = new AbortController();
    const stop = (): void => call.abort();
    const timer = setTimeout(stop, timeout);
    signal.addEventListener('abort', stop);
    try {
      if (signal.aborted) {
        return { kind: 'aborted' };
      }
      const sent = Date.now();
      const headers = { ...(how.bearer === true ? this.#bearer() : {}), ...(how.body === undefined ? {} : { 'Content-Type': 'application/json' }) };
      const response = await this.#fetch(url, { signal: call.signal, method: how.method ?? 'GET', headers, body: how.body ?? null });
      this.#clock.observe(response.headers.get('Date'), sent, Date.now());
      const body = await response.text();
      return response.ok ? { kind: 'ok', value: body } : this.#failure(response.status, body, how.quiet);
    } catch (e) {
      return this.#thrown(e, signal);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }
}

/** How a call is made, where it is not a plain GET. */
interface How {
  method?: 'POST' | 'DELETE';
  body?: string;
  /** send a link's token as a header: the address has none */
  bearer?: boolean;
  /** that the server knows nobody is no news */
  quiet?: boolean;
}

/** A clip as a file, and the name that the server gives it. */
export interface Clip {
  file: Blob;
  name: string | undefined;
}

/** fileName reads the name in a Content-Disposition header. */
function fileName(disposition: string | null): string | undefined {
  return /filename="([^"\\/]+)"/.exec(disposition ?? '')?.[1];
}

/** failure reads an error reply: the API's own JSON, or something else, such as a proxy's page. */
function failure(status: number, body: string): Result<never> {
  let detail: APIError | undefined;
  try {
    detail = decodeError(JSON.parse(body));
  } catch {
    // not JSON: the status has to do
  }
  return {
    kind: 'error',
    reason: reasonOf(status),
    code: detail?.code ?? `http_${status}`,
    message: detail?.message ?? `HTTP ${status}`,
  };
}

function reasonOf(status: number): Reason {
  switch (status) {
    case 401:
      return 'expired';
    case 403:
      return 'denied';
    case 404:
    case 410:
      return 'notFound';
    default:
      return status >= 400 && status < 500 && status !== 408 && status !== 429 ? 'badRequest' : 'server';
  }
}

/** rfc3339 writes an instant for a query: seconds, or milliseconds when there are any. */
function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
