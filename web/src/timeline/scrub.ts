// SPDX-License-Identifier: Apache-2.0

/** Pictures for the pointer on a timeline: the first picture of the segment there, decoded in the browser. */

import type { API } from '../api';
import { findIdr } from './idr';

const firstBytes = 96 * 1024;
const mostBytes = 1536 * 1024;
const width = 224; // CSS pixels of a preview
const kept = 240;
const grid = 3_000; // pictures closer than this are not told apart

/** What browsers of today know but the types of older ones do not. */
export const canScrub = (): boolean => typeof VideoDecoder === 'function' && typeof EncodedVideoChunk === 'function';

/**
 * Scrubber fetches and keeps pictures. Only the latest wish is worked on: want calls back once, with a picture or with nothing,
 * unless another wish came before that. A request never runs beside a second one, so that seeking goes first.
 */
export class Scrubber {
  readonly #api: Pick<API, 'pictureAt'>;
  readonly #camera: string;
  readonly #signal: AbortSignal;
  readonly #pictures = new Map<number, ImageBitmap | null>();
  #wish: { slot: number; ms: number; done: (picture: ImageBitmap | undefined) => void } | undefined;
  #busy = false;

  constructor(api: Pick<API, 'pictureAt'>, camera: string, signal: AbortSignal) {
    this.#api = api;
    this.#camera = camera;
    this.#signal = signal;
    signal.addEventListener('abort', () => {
      this.#wish = undefined;
      for (const p of this.#pictures.values()) {
        p?.close();
      }
      this.#pictures.clear();
    });
  }

  /** want asks for the picture nearest before a moment. */
  want(ms: number, done: (picture: ImageBitmap | undefined) => void): void {
    const slot = Math.floor(ms / grid);
    const known = this.#pictures.get(slot);
    if (known !== undefined) {
      this.#wish = undefined;
      done(known ?? undefined);
      return;
    }
    this.#wish = { slot, ms, done };
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    while (this.#wish !== undefined && !this.#signal.aborted) {
      const { slot, ms } = this.#wish;
      const picture = await this.#fetch(ms);
      if (this.#signal.aborted) {
        picture?.close();
        break;
      }
      this.#keep(slot, picture ?? null);
      if (this.#wish?.slot === slot) {
        const { done } = this.#wish;
        this.#wish = undefined;
        done(picture);
      }
    }
    this.#busy = false;
  }

  #keep(slot: number, picture: ImageBitmap | null): void {
    this.#pictures.set(slot, picture);
    if (this.#pictures.size > kept) {
      const [oldest] = this.#pictures;
      if (oldest !== undefined) {
        oldest[1]?.close();
        this.#pictures.delete(oldest[0]);
      }
    }
  }

  async #fetch(ms: number): Promise<ImageBitmap | undefined> {
    for (let bytes = firstBytes; bytes <= mostBytes; bytes *= 4) {
      const reply = await this.#api.pictureAt(this.#camera, ms, bytes, this.#signal);
      if (reply.kind !== 'ok') {
        return undefined;
      }
      const idr = findIdr(reply.value);
      if (idr === undefined) {
        return undefined;
      }
      if (!idr.cut || reply.value.length < bytes) {
        return decode(idr.data, idr.codec);
      }
    }
    return undefined;
  }
}

/** decode makes a small picture of an IDR; undefined when this browser's decoder does not take it. */
async function decode(data: Uint8Array<ArrayBuffer>, codec: string): Promise<ImageBitmap | undefined> {
  let frame: VideoFrame | undefined;
  try {
    const config: VideoDecoderConfig = { codec, optimizeForLatency: true };
    if (!(await VideoDecoder.isConfigSupported(config)).supported) {
      return undefined;
    }
    const decoder = new VideoDecoder({
      output: (f) => { frame?.close(); frame = f; },
      error: () => {},
    });
    decoder.configure(config);
    decoder.decode(new EncodedVideoChunk({ type: 'key', timestamp: 0, data }));
    await decoder.flush();
    decoder.close();
    if (frame === undefined) {
      return undefined;
    }
    const height = Math.max(1, Math.round((width * frame.displayHeight) / frame.displayWidth));
    return await createImageBitmap(frame, { resizeWidth: width, resizeHeight: height, resizeQuality: 'medium' });
  } catch {
    return undefined; // a decoder that gave up: the time alone is shown
  } finally {
    frame?.close();
  }
}
