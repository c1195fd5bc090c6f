// SPDX-License-Identifier: Apache-2.0

import type { App, View } from '../app';
import { Scope } from '../dom';
import { Together } from '../player/together';
import type { Moment } from '../player/watch';
import { formatRoute, type Route } from '../route';
import { formatDateTime, formatSpan } from '../time';
import { Footage } from '../timeline/footage';
import { spanOf } from '../timeline/scale';
import { timeline } from '../timeline/timeline';
import { icon, type Icon } from './icons';
import { stage } from './stage';

const second = 1000;
const tickMs = 200;

/** Several cameras at the same moment, on one timeline. */
export function syncView(app: App, route: Route & { view: 'sync' }): View {
  const { settings, api, clock } = app;
  const scope = new Scope();
  const at: Moment = route.start !== undefined && route.start <= clock.now() ? route.start : 'live';
  const title = (): string => settings.t.together;

  const footage = route.cameras.map((camera) => new Footage(api, camera, () => clock.now(), scope.signal));
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
  const seek = (to: Moment): void => {
    together.seek(to);
    if (typeof to === 'number') {
      bar.reveal(to);
    }
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
    footage, time, live: () => together.live, marks: () => ({ from: undefined, to: undefined }), onSeek: (ms) => seek(ms >= clock.now() - 8 * second ? 'live' : ms),
  });

  const play = scope.h('button', {
    type: 'button', class: 'tool play', disabled: () => together.live,
    'aria-label': () => (together.playing ? settings.t.pause : settings.t.play), on: { click: () => { together.toggle(); scope.refresh(); } },
  });
  let drawn: Icon | undefined;
  scope.follow(() => {
    const name: Icon = together.playing ? 'pause' : 'play';
    if (name !== drawn) {
      drawn = name;
      play.replaceChildren(icon(name));
    }
  });
  const rate = scope.h('select', {
    class: 'rate', 'aria-label': () => settings.t.speed, disabled: () => together.live, on: { change: (_, e) => { together.rate = Number(e.value); } },
  }, ...[0.5, 1, 2, 4, 8].map((r) => scope.h('option', { value: r }, `${r}×`)));
  rate.value = '1';
  const text = (sign: string, label: () => string, click: () => void): HTMLElement =>
    scope.h('button', { type: 'button', class: 'tool text', title: label, 'aria-label': label, on: { click } }, sign);
  const zoomButton = (name: Icon, label: () => string, factor: number): HTMLElement =>
    scope.h('button', { type: 'button', class: 'tool', title: label, 'aria-label': label, on: { click: () => bar.zoomBy(factor) } }, icon(name));

  const list = scope.h('ul', { class: 'wall' }, ...tiles.map((t) => t.element));
  list.style.setProperty('--columns', String(Math.ceil(Math.sqrt(route.cameras.length))));
  const element = scope.h('div', { class: 'camera-view sync-view' },
    scope.h('nav', {}, scope.h('a', { href: formatRoute({ view: 'cameras' }) }, () => `← ${settings.t.back}`)),
    scope.h('div', { class: 'heading' },
      scope.h('h1', {}, title),
      scope.h('span', { class: () => (together.live ? 'badge live' : 'badge') }, () => (together.live ? settings.t.live : settings.t.replay)),
      scope.h('span', { class: 'picture-time' }, () => {
        const ms = time();
        return ms === undefined ? '–' : `${formatDateTime(ms, settings.zone)} (${settings.zoneLabel(ms)})`;
      })),
    list,
    scope.h('div', { class: 'transport', role: 'toolbar', 'aria-label': () => settings.t.controls },
      text('−10', () => settings.t.tenBack, () => skip(-10 * second)), play,
      text('+10', () => settings.t.tenOn, () => skip(10 * second)), rate,
      scope.h('button', {
        type: 'button', class: () => (together.live ? 'live-button on' : 'live-button'), on: { click: () => { rate.value = '1'; seek('live'); } },
      }, () => settings.t.live),
      scope.h('span', { class: 'spacer' }),
      scope.h('div', { class: 'zoom', role: 'group', 'aria-label': () => settings.t.zoom },
        zoomButton('zoomOut', () => settings.t.zoomOut, 2),
        scope.h('span', { class: 'span' }, () => formatSpan(spanOf(bar.scale()))),
        zoomButton('zoomIn', () => settings.t.zoomIn, 0.5))),
    scope.h('div', { class: 'bar' }, bar.element));

  const address = (): void => {
    const ms = together.time;
    const hash = formatRoute({ view: 'sync', cameras: route.cameras, ...(ms === undefined ? {} : { start: Math.floor(ms / second) * second }) });
    if (hash !== location.hash) {
      history.replaceState(null, '', hash);
    }
  };
  scope.every(3_000, address);
  scope.every(tickMs, () => {
    together.tick(clock.now());
    scope.refresh();
  });
  document.addEventListener('keydown', (e) => {
    const target = e.target instanceof HTMLElement ? e.target : undefined;
    if (target?.closest('input, select, button, a') != null || e.altKey || e.ctrlKey || e.metaKey || e.defaultPrevented) {
      return;
    }
    if (e.key === ' ' && !together.live) {
      together.toggle();
    } else if (e.key === 'ArrowLeft' || e.key === 'ArrowRight') {
      skip((e.key === 'ArrowLeft' ? -10 : 10) * second);
    } else {
      return;
    }
    e.preventDefault();
  }, { signal: scope.signal });
  return { element, scope, title };
}
