// SPDX-License-Identifier: Apache-2.0

import type { App, View } from '../app';
import { Scope } from '../dom';
import { formatRoute, linkSpan, type Route } from '../route';
import { formatDateTime, formatSpan } from '../time';
import { playerBox } from './player-box';
import { rangeList } from './range-list';
import { timeForm } from './time-form';

/** One camera, at another time. */
export function replayView(app: App, route: Route & { view: 'play' }): View {
  const { settings, api, clock } = app;
  const { camera, start } = route;
  const scope = new Scope();
  const title = (): string => `${camera} · ${settings.t.replay}`;
  const form = timeForm(scope, app, route);
  const ranges = rangeList(scope, app, camera, start, (ms) => form.propose(ms));

  const element = scope.h('div', {},
    scope.h('nav', {},
      scope.h('a', { href: formatRoute({ view: 'cameras' }) }, () => `← ${settings.t.back}`),
      scope.h('a', { href: formatRoute({ view: 'live', camera }) }, () => settings.t.live)),
    scope.h('div', { class: 'heading' },
      scope.h('h1', { dir: 'auto' }, camera),
      scope.h('span', { class: 'badge' }, () => settings.t.replay)));

  const picture = scope.h('div', { class: 'picture' });
  if (start === undefined) {
    scope.append(picture, scope.h('p', { class: 'placeholder' }, () => settings.t.nothingChosen));
  } else if (start > clock.now()) {
    scope.append(picture, scope.h('p', { class: 'placeholder', role: 'alert' }, () => settings.t.inFuture));
  } else {
    scope.append(picture, ...player(scope, app, camera, start, route.end));
  }
  const side = scope.h('div', { class: 'side' }, form.element, ranges);
  scope.append(element, scope.h('div', { class: 'replay' }, picture, side));
  scope.every(500, () => scope.refresh());
  return { element, scope, title };

  function player(s: Scope, a: App, cam: string, from: number, until: number | 'open' | undefined): HTMLElement[] {
    const end = until === 'open' ? undefined : until ?? from + linkSpan;
    const growing = end === undefined || end > clock.now();
    const onward = end === undefined || growing ? [] : [{
      label: () => settings.t.goOn,
      click: () => a.navigate({ view: 'play', camera: cam, start: end, end: end + (end - from) }),
      primary: true,
    }];
    const box = playerBox(s, a, {
      url: api.replayURL(cam, from, growing ? undefined : end), mode: growing ? 'growing' : 'range', start: from,
    }, onward);
    const pictureTime = (): string => {
      const ms = box.player()?.programTime();
      return ms === undefined ? '–' : `${formatDateTime(ms, settings.zone)} (${settings.zoneLabel(ms)})`;
    };
    const range = (): string => growing
      ? `${formatDateTime(from, settings.zone)} – …`
      : `${formatDateTime(from, settings.zone)} – ${formatDateTime(end, settings.zone)} (${formatSpan(end - from)})`;
    return [box.element, s.h('dl', { class: 'facts' },
      s.h('div', {}, s.h('dt', {}, () => settings.t.pictureTime), s.h('dd', { class: 'picture-time' }, pictureTime)),
      s.h('div', {}, s.h('dt', {}, () => settings.t.replay), s.h('dd', {}, range)))];
  }
}
