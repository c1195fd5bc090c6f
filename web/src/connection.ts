// SPDX-License-Identifier: Apache-2.0

import type { Observer } from './api';

/**
 * How the page and the server get on. browser: this computer is offline; server: it does not answer; expired: sign in again; linkExpired,
 * linkRefused: the link by which the page was opened is no longer good, or never was.
 */
export type ConnectionState = 'ok' | 'browser' | 'server' | 'expired' | 'linkExpired' | 'linkRefused';

const soonMs = 1_000; // a single failure may be chance: it is looked at again after this
const againMs = 3_000;

/**
 * Connection notices from what requests report when the server goes away, asks until it is back, and then tells: views load
 * at once what they would have loaded later. A single failure is not yet news.
 */
export class Connection implements Observer {
  #state: ConnectionState = 'ok';
  #losses = 0;
  #online = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #ping: () => Promise<unknown>;
  readonly #changed = new Set<() => void>();
  readonly #back = new Set<() => void>();

  /** ping makes any request whose outcome is reported here. */
  constructor(ping: () => Promise<unknown>) {
    this.#ping = ping;
  }

  get state(): ConnectionState {
    return this.#online ? this.#state : 'browser';
  }

  heard(): void {
    this.#losses = 0;
    this.#set('ok');
  }

  lost(): void {
    this.#losses++;
    if (this.#losses > 1 && this.#state === 'ok') {
      this.#set('server');
    }
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        void this.#ping();
      }, this.#state === 'ok' ? soonMs : againMs);
    }
  }

  denied(code: string): void {
    this.#losses = 0;
    this.#set(code === 'token_expired' ? 'linkExpired' : code === 'token_refused' ? 'linkRefused' : 'expired');
  }

  /** online is told what the browser knows of its network. */
  set online(is: boolean) {
    if (this.#online !== is) {
      this.#online = is;
      this.#tell(this.#changed);
      if (is) {
        void this.#ping();
      }
    }
  }

  /** look asks the server now, if something is wrong: somebody came back to the page, perhaps from signing in. */
  look(): void {
    if (this.#state !== 'ok') {
      void this.#ping();
    }
  }

  onChange(f: () => void): void {
    this.#changed.add(f);
  }

  /** onBack calls f each time that the server answers again. */
  onBack(f: () => void, signal: AbortSignal): void {
    this.#back.add(f);
    signal.addEventListener('abort', () => this.#back.delete(f), { once: true });
  }

  #set(state: ConnectionState): void {
    if (this.#state === state) {
      return;
    }
    this.#state = state;
    if (state === 'ok') {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    this.#tell(this.#changed);
    if (state === 'ok') {
      this.#tell(this.#back);
    }
  }

  #tell(listeners: ReadonlySet<() => void>): void {
    for (const f of [...listeners]) {
      f();
    }
  }
}
