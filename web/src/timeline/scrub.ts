// SPDX-License-Identifier: Apache-2.0

/**
 * Pictures for the pointer on a timeline: the first picture of the segment there, decoded in the browser. Where the browser has no
 * decoder for pages (WebCodecs), or that one does not take the picture, a hidden player shows it.
 */

import type { API } from '../api';
import type { HiddenPlayer } from '../player/hidden-player';
import { findIdr } from './idr';

const firstBytes = 96 * 1024;
const mostBytes = 1536 * 1024;
const width = 224; // CSS pixels of a preview
const kept = 240;
const grid = 3_000; // pictures closer than this are not told apart

/** canDecode: what browsers of today know but those of yesterday do not, and pages without TLS neither. */
const canDecode = (): boolean => typeof VideoDecoder === 'function' && typeof EncodedVideoChunk === 'function';

interface Wish {
  slot: number;
  ms: number;
  within: { start: number; end: number };
  done: (picture: ImageBitmap | undefined) => void;
}

/**
 * Scrubber fetches and keeps pictures. Only the latest wish is worked on: want calls back once, with a picture or with nothing,
 * unless another wish or cancel came before that. A request never runs beside a second one, so that seeking goes first.
 */
export class Scrubber {
  readonly #api: Pick<API, 'segmentAt' | 'head' | 'replayURL'>;
  readonly #camera: string;
  readonly #signal: AbortSignal;
  readonly #pictures = new Map<number, ImageBitmap | null>();
  #hidden: Promise<HiddenPlayer> | undefined;
  #wish: Wish | undefined;
  #call: AbortController | undefined; // of the wish that is worked on

  constructor(api: Pick<API, 'segmentAt' | 'head' | 'replayURL'>, camera: string, signal: AbortSignal) {
    this.#api = api;
    this.#camera = camera;
    this.#signal = signal;
    signal.addEventListener('abort', () => {
      this.cancel();
      void this.#hidden?.then((p) => p.dispose(), () => {});
      for (const p of this.#pictures.values()) {
        p?.close();
      }
      this.#pictures.clear();
    }, { once: true });
  }

  /** known returns the picture at a moment if it is there already. */
  known(ms: number): ImageBitmap | undefined {
    return this.#pictures.get(Math.floor(ms / grid)) ?? undefined;
  }

  /** want asks for the picture nearest before a moment. within is a stretch, with the moment in it, that surely has footage. */
  want(ms: number, within: { start: number; end: number }, done: (picture: ImageBitmap | undefined) => void): void {
    const slot = Math.floor(ms / grid);
    const known = this.#pictures.get(slot);
    if (known !== undefined) {
      this.#wish = undefined;
      done(known ?? undefined);
      return;
    }
    this.#wish = { slot, ms, within, done };
    void this.#work();
  }

  /** cancel calls off what is under way: the way is free for something that matters more. */
  cancel(): void {
    this.#wish = undefined;
    this.#call?.abort();
  }

  async #work(): Promise<void> {
    if (this.#call !== undefined) {
      return;
    }
    while (this.#wish !== undefined && !this.#signal.aborted) {
      const { slot, ms, within } = this.#wish;
      const call = this.#call = new AbortController();
      const picture = await this.#fetch(ms, within, call.signal);
      if (this.#signal.aborted) {
        picture?.close();
        break;
      }
      if (call.signal.aborted) {
        picture?.close();
        continue;
      }
      if (picture !== undefined) { // else it could not be had: another time perhaps
        this.#keep(slot, picture);
      }
      if (this.#wish?.slot === slot) {
        const { done } = this.#wish;
        this.#wish = undefined;
        done(picture ?? undefined);
      }
    }
    this.#call = undefined;
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

  /** fetch returns the picture, null where there is none that can be shown, undefined when it could not be had. */
  async #fetch(ms: number, within: { start: number; end: number }, signal: AbortSignal): Promise<ImageBitmap | null | undefined> {
    if (!canDecode()) {
      return this.#show(ms, within, signal);
    }
    const segment = await this.#api.segmentAt(this.#camera, ms, within, signal);
    if (segment.kind !== 'ok') {
      return undefined;
    }
    for (let bytes = firstBytes; bytes <= mostBytes; bytes *= 4) {
      const reply = await this.#api.head(segment.value, bytes, signal);
      if (reply.kind !== 'ok') {
        return undefined;
      }
      const idr = findIdr(reply.value);
      if (idr === undefined) {
        return null;
      }
      if (!idr.cut || reply.value.length < bytes) {
        return await decode(idr.data, idr.codec) ?? await this.#show(ms, within, signal) ?? null;
      }
    }
    return null;
  }

  /** show lets a player that nobody sees show the picture. */
  async #show(ms: number, within: { start: number; end: number }, signal: AbortSignal): Promise<ImageBitmap | undefined> {
    try {
      this.#hidden ??= import('../player/hidden-player').then((m) => new m.HiddenPlayer());
      const player = await this.#hidden;
      const start = Math.min(Math.max(ms, within.start), within.end - 1000);
      return signal.aborted ? undefined : await player.picture(this.#api.replayURL(this.#camera, start, within.end), width, signal);
    } catch {
      this.#hidden = undefined; // its code could not be loaded
      return undefined;
    }
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
    return undefined; // a decoder that gave up
  } finally {
    frame?.close();
  }
}
