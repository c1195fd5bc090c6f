// SPDX-License-Identifier: Apache-2.0

import type { Result } from '../api';
import type { App, View } from '../app';
import type { Camera } from '../decode';
import { Scope } from '../dom';
import { formatRoute } from '../route';
import { formatDateTime } from '../time';
import { ago } from './ago';
import { errorBox } from './error-box';

const pollMs = 5_000;

/** The first page: every camera that has footage, and what to do when there is none. */
export function camerasView(app: App): View {
  const { settings, api, clock } = app;
  const scope = new Scope();
  const title = (): string => settings.t.title;
  const list = scope.region('div', {});
  const stale = scope.h('p', { class: 'stale', role: 'status', hidden: true }, () => settings.t.camerasStale);
  const count = scope.h('span', { class: 'count' });
  const element = scope.h('div', {},
    scope.h('div', { class: 'heading' }, scope.h('h1', {}, title), count), stale, list.element);

  let shown = '';
  let known: Camera[] | undefined;

  const row = (s: Scope, camera: Camera): HTMLElement => {
    const state = (): string => {
      const last = camera.last;
      if (camera.live) {
        return settings.t.liveNow;
      }
      return last === undefined ? settings.t.neverSeen : settings.t.lastSeen(ago(settings.t, clock.now() - last));
    };
    // The first choice is what there is to see: live pictures, or else what was recorded.
    const live = s.h('a', {
      class: camera.live ? 'button primary' : 'button', href: formatRoute({ view: 'live', camera: camera.id }),
      'aria-label': () => settings.t.watchLive(camera.id),
    }, () => settings.t.live);
    const replay = s.h('a', {
      class: camera.live ? 'button' : 'button primary', href: formatRoute({ view: 'play', camera: camera.id }),
      'aria-label': () => settings.t.replayOf(camera.id),
    }, () => settings.t.replay);
    return s.h('li', { class: 'camera' },
      s.h('a', { class: 'name', href: (camera.live ? live : replay).getAttribute('href') ?? '', dir: 'auto' }, camera.id),
      s.h('p', { class: camera.live ? 'state live' : 'state' }, state),
      camera.last !== undefined && s.h('p', { class: 'when' },
        () => `${settings.t.lastFootage} ${formatDateTime(camera.last ?? 0, settings.zone)}`),
      s.h('p', { class: 'actions' }, ...(camera.live ? [live, replay] : [replay, live])));
  };

  const empty = (s: Scope): HTMLElement => s.h('div', { class: 'notice' },
    s.h('h2', {}, () => settings.t.noCamerasTitle),
    s.h('p', {}, () => settings.t.noCamerasText),
    s.h('pre', { tabindex: 0 }, 's3cam push --camera cam1 --input clip.h264 --s3-url URL --bucket NAME'),
    s.h('p', { class: 'detail' }, () => settings.t.noCamerasHint));

  const fill = (reply: Result<Camera[]>): void => {
    if (reply.kind === 'aborted') {
      return;
    }
    stale.hidden = reply.kind === 'ok' || known === undefined;
    // What is shown is replaced only when it changed, so that focus and selection stay where they are.
    const next = JSON.stringify(reply.kind === 'ok' ? reply.value : [reply.code, reply.message]);
    if (next === shown || (reply.kind === 'error' && known !== undefined)) {
      return;
    }
    shown = next;
    if (reply.kind === 'error') {
      list.show((s) => [errorBox(s, settings, () => settings.t.camerasFailed, reply, () => void load())]);
      return;
    }
    known = reply.value;
    const n = known.length;
    count.textContent = n === 0 ? '' : String(n);
    const focused = focusedHref(list.element);
    list.show((s) => n === 0
      ? [empty(s)]
      : [s.h('ul', { class: 'cameras', 'aria-label': () => settings.t.cameraCount(n) },
        ...reply.value.map((c) => row(s, c)))]);
    restoreFocus(list.element, focused);
  };

  const load = async (): Promise<void> => fill(await api.cameras(scope.signal));

  list.show((s) => [s.h('p', { class: 'loading', role: 'status' }, () => settings.t.loadingCameras)]);
  void load();
  scope.every(pollMs, () => {
    if (!document.hidden) {
      void load();
    }
  });
  scope.every(1_000, () => scope.refresh());
  return { element, scope, title };
}

function focusedHref(inside: HTMLElement): { href: string; nth: number } | undefined {
  const focused = document.activeElement;
  if (!(focused instanceof HTMLAnchorElement) || !inside.contains(focused)) {
    return undefined;
  }
  const same = [...inside.querySelectorAll('a')].filter((a) => a.href === focused.href);
  return { href: focused.href, nth: same.indexOf(focused) };
}

function restoreFocus(inside: HTMLElement, focused: { href: string; nth: number } | undefined): void {
  if (focused !== undefined) {
    [...inside.querySelectorAll('a')].filter((a) => a.href === focused.href)[focused.nth]?.focus({ preventScroll: true });
  }
}
