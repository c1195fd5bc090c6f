// SPDX-License-Identifier: Apache-2.0

import type { App, View } from '../app';
import { Scope } from '../dom';
import { formatRoute } from '../route';
import { formatDateTime } from '../time';
import { playerBox } from './player-box';

const lastMinutes = 10 * 60 * 1000;

/** One camera, now. */
export function liveView(app: App, camera: string): View {
  const { settings, api, clock } = app;
  const scope = new Scope();
  const title = (): string => `${camera} · ${settings.t.live}`;
  const box = playerBox(scope, app, { url: api.liveURL(camera), mode: 'live' });

  const latency = (): string => {
    const seconds = box.status().kind === 'playing' ? box.player()?.latency() : undefined;
    return seconds === undefined ? '' : settings.t.behind(Math.max(0, seconds).toFixed(1));
  };
  const pictureTime = (): string => {
    const ms = box.player()?.programTime();
    return ms === undefined ? '–' : `${formatDateTime(ms, settings.zone)} (${settings.zoneLabel(ms)})`;
  };
  const onAir = (): boolean => box.status().kind === 'playing' && box.player()?.behind() !== true;

  const goLive = scope.h('button', {
    type: 'button', class: 'primary', hidden: () => box.player()?.behind() !== true,
    on: { click: () => box.player()?.goLive() },
  }, () => settings.t.goLive);
  const replay = scope.h('a', {
    class: 'button', href: () => formatRoute({
      view: 'play', camera, start: Math.floor((clock.now() - lastMinutes) / 60_000) * 60_000, end: 'open',
    }),
  }, () => settings.t.replayLast);

  const element = scope.h('div', { class: 'live-view' },
    scope.h('nav', {}, scope.h('a', { href: formatRoute({ view: 'cameras' }) }, () => `← ${settings.t.back}`)),
    scope.h('div', { class: 'heading' },
      scope.h('h1', { dir: 'auto' }, camera),
      scope.h('span', { class: () => (onAir() ? 'badge live' : 'badge') }, () => settings.t.live)),
    box.element,
    scope.h('dl', { class: 'facts' },
      scope.h('div', {},
        scope.h('dt', {}, () => settings.t.pictureTime),
        scope.h('dd', { class: 'picture-time' }, pictureTime)),
      scope.h('div', {},
        scope.h('dt', {}, () => settings.t.latency),
        scope.h('dd', { class: 'latency' }, () => latency() || '–'))),
    scope.h('p', { class: 'actions' }, goLive, replay,
      scope.h('a', { class: 'button', href: formatRoute({ view: 'play', camera }) }, () => settings.t.replay)));
  scope.every(500, () => scope.refresh());
  return { element, scope, title };
}
