// SPDX-License-Identifier: Apache-2.0

/** The one place that calls fetch. Every result says whether it worked, was called off by the view, or failed and why. */

import type { ServerClock } from './clock';
import {
  type APIError,
  type Camera,
  decodeCameras,
  decodeConfig,
  decodeCoverage,
  decodeError,
  DecodeError,
  type Range,
  type SiteConfig,
} from './decode';

export type Result<T> =
  | { kind: 'ok'; value: T }
  | { kind: 'aborted' }
  | { kind: 'error'; reason: Reason; code: string; message: string };

/** Why a call failed, as far as a viewer can do something about it. */
export type Reason = 'offline' | 'denied' | 'notFound' | 'badRequest' | 'server';

/** A call that takes longer than this is given up, in milliseconds. */
const timeout = 20_000;

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** loadConfig reads config.json beside the page. */
export function loadConfig(pageURL: string, clock: ServerClock, signal: AbortSignal): Promise<Result<SiteConfig>> {
  return new API(pageURL, '', clock).config(signal);
}

export class API {
  readonly #base: string;
  readonly #clock: ServerClock;
  readonly #fetch: Fetch;

  /** pageURL is the page's own address; apiBase is config.json's: '' or another origin's address. */
  constructor(pageURL: string, apiBase: string, clock: ServerClock, fetcher: Fetch = (u, i) => fetch(u, i)) {
    const base = new URL(apiBase === '' ? '.' : apiBase, pageURL.replace(/#.*/, ''));
    this.#base = base.href.endsWith('/') ? base.href : `${base.href}/`;
    this.#clock = clock;
    this.#fetch = fetcher;
  }

  config(signal: AbortSignal): Promise<Result<SiteConfig>> {
    return this.#json(`${this.#base}config.json`, decodeConfig, signal);
  }

  /** cameras lists every camera that has footage. */
  cameras(signal: AbortSignal): Promise<Result<Camera[]>> {
    return this.#json(this.#url('cameras', {}), decodeCameras, signal);
  }

  /** coverage lists what is recorded between two instants, in order. */
  coverage(camera: string, start: number, end: number, signal: AbortSignal): Promise<Result<Range[]>> {
    const query = { camera_id: camera, start: rfc3339(start), end: rfc3339(end) };
    return this.#json(this.#url('coverage', query), decodeCoverage, signal);
  }

  /** liveURL is the live window's playlist. */
  liveURL(camera: string): string {
    return this.#url('playlist.m3u8', { camera_id: camera });
  }

  /** replayURL is the playlist of a range; without end it keeps growing. */
  replayURL(camera: string, start: number, end: number | undefined): string {
    const query: Record<string, string> = { camera_id: camera, start: rfc3339(start) };
    if (end !== undefined) {
      query['end'] = rfc3339(end);
    }
    return this.#url('replay.m3u8', query);
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

  async #json<T>(url: string, decode: (v: unknown) => T, signal: AbortSignal): Promise<Result<T>> {
    const reply = await this.#get(url, signal);
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

  /** get returns the body of a successful reply. */
  async #get(url: string, signal: AbortSignal): Promise<Result<string>> {
    const call = new AbortController();
    const stop = (): void => call.abort();
    const timer = setTimeout(stop, timeout);
    signal.addEventListener('abort', stop);
    try {
      if (signal.aborted) {
        return { kind: 'aborted' };
      }
      const sent = Date.now();
      const response = await this.#fetch(url, { signal: call.signal });
      this.#clock.observe(response.headers.get('Date'), sent, Date.now());
      const body = await response.text();
      return response.ok ? { kind: 'ok', value: body } : failure(response.status, body);
    } catch (e) {
      if (signal.aborted) {
        return { kind: 'aborted' };
      }
      return { kind: 'error', reason: 'offline', code: 'network', message: e instanceof Error ? e.message : String(e) };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }
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
