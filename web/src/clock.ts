// SPDX-License-Identifier: Apache-2.0

/**
 * The server's clock as the page knows it, learned from the Date headers of replies. A viewer's computer may be minutes
 * off; "how far behind the camera" must not be.
 */
export class ServerClock {
  #lowest = -Infinity; // bounds of (server time - local time), in milliseconds
  #highest = Infinity;
  readonly #localNow: () => number;

  constructor(localNow: () => number = Date.now) {
    this.#localNow = localNow;
  }

  /** observe takes one reply's Date header (whole seconds) and the local times around the request. */
  observe(date: string | null | undefined, sentMs: number, receivedMs: number): void {
    const server = date == null ? NaN : Date.parse(date);
    if (Number.isNaN(server) || receivedMs < sentMs) {
      return;
    }
    const lowest = server - receivedMs;
    const highest = server + 1000 - sentMs;
    this.#lowest = Math.max(this.#lowest, lowest);
    this.#highest = Math.min(this.#highest, highest);
    if (this.#lowest > this.#highest) { // one of the clocks was set: believe the newest reply
      this.#lowest = lowest;
      this.#highest = highest;
    }
  }

  /** offset is what to add to local time, in milliseconds: 0 as long as the local clock may be right. */
  get offset(): number {
    if (this.#lowest <= 0 && this.#highest >= 0) {
      return 0;
    }
    return Math.round((this.#lowest + this.#highest) / 2);
  }

  /** now is the server's time, in milliseconds since the Unix epoch. */
  now(): number {
    return this.#localNow() + this.offset;
  }
}
