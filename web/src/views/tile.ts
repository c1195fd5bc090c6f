// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Camera } from '../decode';
import type { Scope } from '../dom';
import { formatRoute } from '../route';
import { Scrubber } from '../timeline/scrub';
import { formatDateTime } from '../time';
import { ago } from './ago';
import { stage, type Stage } from './stage';

export interface Tile {
  id: string;
  element: HTMLElement;
  /** update tells what the server says of the camera now */
  update: (camera: Camera) => void;
}

/** tile is one camera on the wall: its live picture while it is on the screen, and what is known of it. */
export function tile(scope: Scope, app: App, first: Camera): Tile {
  const { settings, clock } = app;
  // A link may be for a piece of the recording only: the server says neither that the camera is live nor what it sent last.
  const only = app.viewer.rangeOf(first.id);
  const limited = (c: Camera): Camera => (only === undefined ? c : { ...c, live: false, last: only.start });
  let camera = limited(first);
  let visible = false;
  let playing: { scope: Scope; stage: Stage } | undefined;

  const picture = scope.h('div', { class: 'tile-picture' });
  const still = scope.h('canvas', { 'aria-hidden': 'true', hidden: true });
  picture.append(still);
  const state = (): string => {
    if (camera.live) {
      const watch = playing?.stage.watch();
      const seconds = playing?.stage.status().kind === 'playing' ? watch?.player.latency() : undefined;
      return seconds === undefined ? settings.t.liveNow : settings.t.liveBehind(Math.max(0, seconds).toFixed(1));
    }
    if (only !== undefined) {
      return settings.t.rangeOnly(formatDateTime(only.start, settings.zone));
    }
    return camera.last === undefined ? settings.t.neverSeen : settings.t.lastSeen(ago(settings.t, clock.now() - camera.last));
  };
  const open = scope.h('a', {
    class: 'tile-link', href: () => formatRoute(only !== undefined ? { view: 'play', camera: camera.id, ...only } : camera.live || camera.last === undefined
      ? { view: 'live', camera: camera.id }
      : { view: 'play', camera: camera.id, start: Math.floor(Math.max(camera.last - 30_000, 0) / 1000) * 1000 }),
    'aria-label': () => (camera.live ? settings.t.watchLive(camera.id) : settings.t.replayOf(camera.id)),
  });
  const element = scope.h('li', { class: () => (camera.live ? 'tile on' : 'tile') },
    picture, open,
    scope.h('p', { class: 'tile-label', 'aria-hidden': 'true' },
      scope.h('span', { class: 'name', dir: 'auto' }, camera.id),
      scope.h('span', { class: () => (camera.live ? 'state live' : 'state') }, state)));

  /** settle plays or stops, as far as the screen and the camera ask for it. */
  const settle = (): void => {
    const wanted = visible && camera.live && !document.hidden;
    if (wanted && playing === undefined) {
      const s = scope.child();
      const box = stage(s, app, { camera: camera.id, at: 'live', until: undefined }, { tile: true });
      picture.append(box.element);
      playing = { scope: s, stage: box };
    } else if (!wanted && playing !== undefined) {
      playing.scope.dispose();
      playing.stage.element.remove();
      playing = undefined;
    }
    if (visible && !camera.live) {
      lastPicture();
    }
  };
  let shownLast: number | undefined;
  /** lastPicture shows the newest that there is of a camera that sends nothing. */
  const lastPicture = (): void => {
    const { last } = camera;
    if (last === undefined || last === shownLast) {
      return;
    }
    shownLast = last;
    new Scrubber(app.api, camera.id, scope.signal).want(last, only ?? { start: last, end: last + 1000 }, (bitmap) => {
      if (bitmap !== undefined) {
        still.width = bitmap.width;
        still.height = bitmap.height;
        still.getContext('2d')?.drawImage(bitmap, 0, 0);
        still.hidden = false;
      }
    });
  };
  const seen = new IntersectionObserver((entries) => {
    visible = entries.some((e) => e.isIntersecting);
    settle();
  });
  seen.observe(element);
  scope.onDispose(() => seen.disconnect());
  document.addEventListener('visibilitychange', settle, { signal: scope.signal });
  return {
    id: first.id,
    element,
    update: (next) => {
      camera = limited(next);
      settle();
      scope.refresh();
    },
  };
}
