// SPDX-License-Identifier: Apache-2.0

const remembered = 24;
const unknown = 1 / 25; // seconds, until something was seen

/** PicturePace learns from the pictures that were shown how far apart they are: a step by one must be a step by one. Pure. */
export class PicturePace {
  readonly #distances: number[] = [];
  #last: number | undefined;

  /** shown: a picture with this time on the player's time line, in seconds, is on the screen. */
  shown(mediaTime: number): void {
    const distance = this.#last === undefined ? 0 : mediaTime - this.#last;
    this.#last = mediaTime;
    if (distance > 0.004 && distance < 1.5) { // not a seek, not the same picture again
      this.#distances.push(distance);
      if (this.#distances.length > remembered) {
        this.#distances.shift();
      }
    }
  }

  /** seconds between two pictures. Some of them are not shown when the machine is busy: a low one is nearer the truth than the middle. */
  get seconds(): number {
    const sorted = [...this.#distances].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 5)] ?? unknown;
  }
}
