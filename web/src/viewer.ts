// SPDX-License-Identifier: Apache-2.0

/** Who is watching: what the server says of a session, and the link by which this tab was opened. */

import type { Session } from './decode';

/** What a link's token says. Only the server can tell whether it is genuine; this is for saying things and for not asking in vain. */
export interface Claims {
  /** ms since the epoch */
  expires: number;
  /** ids, beginnings as yard/*, or * */
  cameras: readonly string[];
  clips: boolean;
  /** the only footage that may be seen, ms since the epoch; undefined: live and all that is recorded */
  range: Span | undefined;
}

export interface Span {
  start: number;
  end: number;
}

const key = 's3cam.token';
const form = /^s3t1\.([A-Za-z0-9_-]{1,2000})\.[A-Za-z0-9_-]{20,100}$/;

/** readToken reads what a token says; undefined when it has not the form of one. Pure. */
export function readToken(text: string): Claims | undefined {
  const payload = form.exec(text)?.[1];
  if (payload === undefined) {
    return undefined;
  }
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const o: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof o !== 'object' || o === null) {
      return undefined;
    }
    const { x, c, r, f, t } = o as Record<string, unknown>;
    if (typeof x !== 'number' || !Array.isArray(c) || !c.every((id) => typeof id === 'string') || typeof r !== 'string') {
      return undefined;
    }
    const range = typeof f === 'number' && typeof t === 'number' ? { start: f * 1000, end: t * 1000 } : undefined;
    return { expires: x * 1000, cameras: c, clips: r.includes('c'), range };
  } catch {
    return undefined;
  }
}

/** tokenIn finds the token in what somebody typed or pasted: a link with one, or the token itself; undefined when there is none. Pure. */
export function tokenIn(text: string): string | undefined {
  return text.split(/[\s?&=#<>"']+/).find((part) => readToken(part) !== undefined);
}

/** covers tells whether one of the patterns stands for a camera. Pure. */
export function covers(patterns: readonly string[], camera: string): boolean {
  return patterns.some((p) => p === camera || (p.endsWith('*') && camera.startsWith(p.slice(0, -1))));
}

/** Viewer is who watches in this tab. */
export class Viewer {
  #token: string | undefined;
  #claims: Claims | undefined;
  #session: Session | undefined;

  constructor() {
    let kept: string | null = null;
    try {
      kept = sessionStorage.getItem(key);
    } catch {
      // forbidden: then a link lasts as long as the page
    }
    if (kept !== null) {
      this.take(kept);
    }
  }

  /** token is that of the link by which this tab was opened. */
  get token(): string | undefined {
    return this.#token;
  }

  /** claims are what the token says. */
  get claims(): Claims | undefined {
    return this.#claims;
  }

  /** session is what the server said of who is asking; undefined: nothing yet, or that it knows nobody. */
  get session(): Session | undefined {
    return this.#session;
  }

  set session(s: Session | undefined) {
    this.#session = s;
  }

  /** take uses a link's token from now on. What cannot be one is sent as one all the same, in a form that headers take: the server refuses it. */
  take(token: string): void {
    this.#claims = readToken(token);
    this.#token = /^s3t1\.[\w.-]{0,2043}$/.test(token) ? token : 's3t1.';
    this.#keep();
  }

  /** drop forgets the link. */
  drop(): void {
    this.#token = this.#claims = undefined;
    this.#keep();
  }

  /** byLink tells whether the link is all that lets this viewer watch: nobody is logged in, and not everyone may. */
  get byLink(): boolean {
    return this.#token !== undefined && !this.known;
  }

  /** known tells whether this is somebody who signed in, or everyone may watch. */
  get known(): boolean {
    return this.#session !== undefined && (this.#session.open || this.#session.name !== '');
  }

  /** rangeOf is the only footage of a camera that may be seen; undefined: live and all that is recorded. */
  rangeOf(camera: string): Span | undefined {
    return this.#decides(camera)?.range;
  }

  /** mayClip tells whether files of a camera may be saved, as far as the link decides it. */
  mayClip(camera: string): boolean {
    return this.#decides(camera)?.clips ?? true;
  }

  /** decides returns what the link says of a camera, if it is that by which this viewer sees it: who signed in may have been sent one, too. */
  #decides(camera: string): Claims | undefined {
    const own = this.#session !== undefined && this.known && (this.#session.open || covers(this.#session.cameras, camera));
    return !own && this.#claims !== undefined && covers(this.#claims.cameras, camera) ? this.#claims : undefined;
  }

  /** mayShare tells whether links can be made, or are not needed. */
  get mayShare(): boolean {
    return this.#session !== undefined && (this.#session.open || this.#session.share);
  }

  #keep(): void {
    try {
      if (this.#token === undefined) {
        sessionStorage.removeItem(key);
      } else {
        sessionStorage.setItem(key, this.#token);
      }
    } catch {
      // see the constructor
    }
  }
}
