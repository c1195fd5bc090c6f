// SPDX-License-Identifier: Apache-2.0

import type { App, View } from '../app';
import { Scope } from '../dom';
import { Together } from '../player/together';
import type { Moment } from '../player/watch';
import { formatRoute, type Route, setAddress } from '../route';
import { formatDateTime } from '../time';
import { nextFootage } from '../timeline/find-footage';
import { Footage } from '../timeline/footage';
import { jumpBack, jumpOn } from '../timeline/jump';
import { dayScale } from '../timeline/scale';
import { timeline } from '../timeline/timeline';
import { calendar } from './calendar';
import type { Shortcut } from './shortcuts';
import { stage } from './stage';
import { transport } from './transport';

const second = 1000;
const tickMs = 200;

/** Several cameras at the same moment, on one timeline. */
export function syncView(app: App, route: Route & { view: 'sync' }): View {
  const { settings, api, clock } = app;
  const scope = new Scope();
  const at: Moment = route.start !== undefined && route.start <= clock.now() ? route.start : 'live';
  const title = (): string => settings.t.together;

  const footage = route.cameras.map((camera) => new Footage(api, camera, () => clock.now(), scope.signal));
  app.connection.onBack(() => footage.forEach((f) => f.retry()), scope.signal);
  const boxes = route.cameras.map((camera, i) => stage(scope, app, { camera, at, until: undefined }, {
    tile: true, recordedAt: (ms) => footage[i]?.recordedAt(ms),
  }));
  let group: Together | undefined;
  const tiles = route.cameras.map((camera, i) => {
    const absent = scope.h('p', { class: 'absent', hidden: true }, () => settings.t.notRecordedNow);
    const element = scope.h('li', { class: 'tile on' }, boxes[i]?.element, absent,
      scope.h('a', {
        class: 'tile-link', 'aria-label': () => settings.t.replayOf(camera),
        href: () => formatRoute(group?.time === undefined
          ? { view: 'live', camera } : { view: 'play', camera, start: Math.floor(group.time / second) * second }),
      }),
      scope.h('p', { class: 'tile-label', 'aria-hidden': 'true' }, scope.h('span', { class: 'name', dir: 'auto' }, camera)));
    return { element, absent };
  });
  const together = new Together(route.cameras.map((_, i) => ({
    watch: () => boxes[i]?.watch(),
    status: () => boxes[i]?.status() ?? { kind: 'connecting' },
    recordedAt: (ms) => footage[i]?.recordedAt(ms),
    setAbsent: (is) => {
      const tile = tiles[i];
      if (tile !== undefined) {
        tile.absent.hidden = !is;
      }
    },
  })), at);

  group = together;

  const time = (): number | undefined => together.time ?? boxes.map((b) => b.watch()?.time).find((t) => t !== undefined);
  let wish = 0; // counts seeks: what is found for an older one is no longer wanted
  let nothingMore = false; // no camera has anything after what was last asked for
  const seek = (to: Moment): void => {
    wish++;
    nothingMore = false;
    together.seek(to);
    if (typeof to === 'number') {
      bar.reveal(to);
    }
    bar.announce();
    address();
    scope.refresh();
  };
  const skip = (ms: number): void => {
    const from = time();
    if (from !== undefined && !(together.live && ms > 0)) {
      seek(from + ms >= clock.now() - 8 * second ? 'live' : from + ms);
    }
  };
  const bar = timeline(scope, app, {
    footage, time, live: () => together.live, marks: () => ({ from: undefined, to: undefined }),
    onSeek: (ms) => seek(ms >= clock.now() - 8 * second ? 'live' : ms),
  });

  /** find looks for a moment at every camera and shows the one that pick takes, unless the viewer chose another one meanwhile. */
  const find = async (
    look: (camera: string) => Promise<number | undefined>, pick: (found: readonly number[]) => number, otherwise: () => void,
  ): Promise<void> => {
    const mine = ++wish;
    const found = (await Promise.all(route.cameras.map(look))).filter((ms) => ms !== undefined);
    if (mine !== wish || scope.signal.aborted) {
      return;
    }
    if (found.length > 0) {
      seek(pick(found));
    } else {
      otherwise();
    }
  };
  const first = (found: readonly number[]): number => Math.min(...found);
  const next = (from: number, otherwise: () => void): Promise<void> =>
    find((camera) => nextFootage(api, camera, from, clock.now(), scope.signal), first, otherwise);
  const gap = (direction: 1 | -1): void => {
    const now = clock.now();
    const here = time() ?? now;
    void (direction < 0
      ? find((camera) => jumpBack(api, camera, here, scope.signal), (found) => Math.max(...found), () => {})
      : find((camera) => jumpOn(api, camera, here, now, scope.signal), first, () => seek('live')));
  };
  /** cross leads over a gap that all cameras have. */
  let crossing = false;
  const cross = async (): Promise<void> => {
    const at = together.time;
    if (at === undefined || crossing || nothingMore || !together.playing || !footage.every((f) => f.recordedAt(at) === false)) {
      return;
    }
    crossing = true;
    await next(at, () => { nothingMore = true; });
    crossing = false;
  };

  const row = transport(scope, settings, {
    playing: () => together.playing, toggle: () => together.toggle(), live: () => together.live, onAir: () => together.live,
    goLive: () => {
      row.rate(1);
      seek('live');
    },
    skip, gap, rates: [0.5, 1, 2, 4, 8], setRate: (r) => { together.rate = r; },
  }, () => bar, []);

  const days = calendar(scope, app, route.cameras, {
    time, choose: (ms) => {
      bar.show(dayScale(ms, settings.zone));
      void next(ms, () => seek(ms));
    },
  });
  const list = scope.h('ul', { class: 'wall' }, ...tiles.map((t) => t.element));
  const columns = Math.ceil(Math.sqrt(route.cameras.length));
  list.style.setProperty('--columns', String(columns));
  list.style.setProperty('--rows', String(Math.ceil(route.cameras.length / columns)));
  const element = scope.h('div', { class: 'camera-view sync-view' },
    scope.h('nav', { 'aria-label': () => settings.t.back }, scope.h('a', { href: formatRoute({ view: 'cameras' }) }, () => `← ${settings.t.back}`)),
    scope.h('div', { class: 'heading' },
      scope.h('h1', {}, title),
      scope.h('span', { class: () => (together.live ? 'badge live' : 'badge') }, () => (together.live ? settings.t.live : settings.t.replay)),
      scope.h('span', { class: 'picture-time' }, () => {
        const ms = time();
        return ms === undefined ? '–' : `${formatDateTime(ms, settings.zone)} (${settings.zoneLabel(ms)})`;
      })),
    list,
    row.element,
    scope.h('div', { class: 'bar' }, bar.element),
    scope.h('div', { class: 'below' }, days.element));

  const address = (): void => {
    const ms = together.time;
    const hash = formatRoute({ view: 'sync', cameras: route.cameras, ...(ms === undefined ? {} : { start: Math.floor(ms / second) * second }) });
    if (hash !== location.hash) {
      setAddress(hash);
    }
  };
  scope.every(3_000, address);
  scope.every(tickMs, () => {
    together.tick(clock.now());
    void cross();
    scope.refresh();
  });
  const shortcuts: Shortcut[] = [
    { keys: [' '], label: () => `${settings.t.play} / ${settings.t.pause}`, run: () => { together.toggle(); scope.refresh(); } },
    { keys: ['ArrowLeft'], label: () => settings.t.tenBack, run: () => skip(-10 * second) },
    { keys: ['ArrowRight'], label: () => settings.t.tenOn, run: () => skip(10 * second) },
    { keys: ['Shift+ArrowLeft'], label: () => settings.t.minuteBack, run: () => skip(-60 * second) },
    { keys: ['Shift+ArrowRight'], label: () => settings.t.minuteOn, run: () => skip(60 * second) },
    { keys: ['p'], label: () => settings.t.previousFootage, run: () => gap(-1) },
    { keys: ['n'], label: () => settings.t.nextFootage, run: () => gap(1) },
    { keys: ['l'], label: () => settings.t.goLive, run: () => seek('live') },
    ...bar.shortcuts,
  ];
  return { element, scope, title, shortcuts };
}
