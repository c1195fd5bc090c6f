// SPDX-License-Identifier: Apache-2.0

import { createPlayer, type Player } from './videojs';

const patience = 10_000; // ms

/** HiddenPlayer takes pictures out of playlists by playing them where nobody sees it. One picture at a time. */
export class HiddenPlayer {
  readonly #place = document.createElement('div');
  readonly #player: Player;

  constructor() {
    this.#place.className = 'hidden-player';
    this.#place.setAttribute('aria-hidden', 'true');
    this.#place.inert = true;
    document.body.append(this.#place);
    this.#player = createPlayer(this.#place, 'en', true, '');
  }

  /** picture returns the first picture of a playlist, so many pixels wide; undefined when it takes too long or cannot be played. */
  async picture(playlistURL: string, width: number, signal: AbortSignal): Promise<ImageBitmap | undefined> {
    const there = await new Promise<boolean>((resolve) => {
      const end = (is: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', none);
        this.#player.off('loadeddata', some);
        this.#player.off('error', none);
        resolve(is);
      };
      const some = (): void => end(true);
      const none = (): void => end(false);
      const timer = setTimeout(none, patience);
      signal.addEventListener('abort', none);
      this.#player.one('loadeddata', some);
      this.#player.one('error', none);
      this.#player.src({ src: playlistURL, type: 'application/x-mpegURL' });
    });
    const video = this.#place.querySelector('video');
    if (!there || video === null || video.videoWidth === 0) {
      return undefined;
    }
    const height = Math.max(1, Math.round((width * video.videoHeight) / video.videoWidth));
    return createImageBitmap(video, { resizeWidth: width, resizeHeight: height, resizeQuality: 'medium' });
  }

  dispose(): void {
    this.#player.dispose();
    this.#place.remove();
  }
}
