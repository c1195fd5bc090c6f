// SPDX-License-Identifier: Apache-2.0

import type { Result } from '../api';
import type { App, View } from '../app';
import type { Camera } from '../decode';
import { Scope } from '../dom';
import { formatRoute } from '../route';
import { covers } from '../viewer';
import { emptyNotice } from './empty';
import { errorBox } from './error-box';
import { tile } from './tile';

const pollMs = 5_000;
/** How many pictures a page of the wall has; 0 = as many as there are, up to maxTiles. */
export const layouts = [0, 1, 4, 9, 16] as const;
const maxTiles = 16;
const storedKey = 's3cam.wall';

/** The first page: every camera, live. What is not on the screen does not load. */
export function wallView(app: App): View {
  const { settings, api } = app;
  const scope = new Scope();
  const title = (): string => settings.t.title;
  const wall = scope.region('div', {});
  const stale = scope.h('p', { class: 'stale', role: 'status', hidden: true }, () => settings.t.camerasStale);
  const count = scope.h('span', { class: 'count' });
  let known: Camera[] | undefined;
  let failure = '';
  let page = 0;
  let layout = Number(app.settings.remembered(storedKey) ?? 0);
  layout = layouts.some((l) => l === layout) ? layout : 0;
  let filter = '';
  let update: (cameras: readonly Camera[]) => void = () => {};

  const size = scope.h('select', {
    'aria-label': () => settings.t.layout,
    on: { change: (_, e) => { layout = Number(e.value); page = 0; app.settings.remember(storedKey, e.value); draw(); } },
  }, ...layouts.map((l) => scope.h('option', { value: l }, () => (l === 0 ? settings.t.layoutAuto : String(l)))));
  size.value = String(layout);
  const search = scope.h('input', {
    type: 'search', class: 'search', hidden: true, 'aria-label': () => settings.t.search, placeholder: () => settings.t.search,
    on: { input: (_, e) => { filter = e.value.trim().toLowerCase(); page = 0; draw(); } },
  });
  const together = scope.h('a', { class: 'button', hidden: true }, () => settings.t.together);
  const pages = scope.region('div', { class: 'pages' });
  const element = scope.h('div', { class: 'wall-view' },
    scope.h('div', { class: 'heading' }, scope.h('h1', {}, title), count, search, scope.h('span', { class: 'spacer' }),
      pages.element, together, size),
    stale, wall.element);

  const shown = (): Camera[] => (known ?? []).filter((c) => c.id.toLowerCase().includes(filter));
  const perPage = (n: number): number => (layout === 0 ? Math.max(1, Math.min(n, maxTiles)) : layout);

  /** draw builds the page of tiles anew; only a change of which cameras it shows needs that. */
  const draw = (): void => {
    const all = shown();
    const per = perPage(all.length);
    const last = Math.max(0, Math.ceil(all.length / per) - 1);
    page = Math.min(page, last);
    const here = all.slice(page * per, (page + 1) * per);
    size.hidden = known?.length === 0;
    search.hidden = (known?.length ?? 0) <= 9;
    const some = here.filter((c) => c.live).slice(0, 9); // what sends nothing has nothing to show together with the others
    together.hidden = some.length < 2;
    together.href = formatRoute({ view: 'sync', cameras: some.map((c) => c.id) });
    pages.show((s) => (last === 0 ? [] : [
      turn(s, -1, '‹', () => settings.t.pageBefore, page === 0),
      s.h('span', {}, `${page + 1} / ${last + 1}`),
      turn(s, 1, '›', () => settings.t.pageAfter, page === last),
    ]));
    wall.show((s) => {
      if (known !== undefined && known.length === 0) {
        update = () => {};
        const guest = app.viewer.byLink || app.viewer.session?.admin === false && !app.viewer.session.open;
        return [guest ? s.h('p', { class: 'notice' }, () => settings.t.linkNoCameras) : emptyNotice(s, settings)];
      }
      const tiles = here.map((c) => tile(s, app, c));
      update = (cameras) => {
        for (const c of cameras) {
          tiles.find((t) => t.id === c.id)?.update(c);
        }
      };
      const columns = layout === 0 ? Math.ceil(Math.sqrt(Math.max(here.length, 1))) : Math.sqrt(layout);
      const list = s.h('ul', { class: 'wall', 'aria-label': () => settings.t.cameraCount(here.length) }, ...tiles.map((t) => t.element));
      list.style.setProperty('--columns', String(columns));
      return here.length === 0 ? [s.h('p', { class: 'detail' }, () => settings.t.nothingFound)] : [list];
    });
  };
  const turn = (s: Scope, by: number, sign: string, label: () => string, disabled: boolean): HTMLElement =>
    s.h('button', { type: 'button', 'aria-label': label, title: label, disabled, on: { click: () => { page += by; draw(); } } }, sign);

  const fill = (reply: Result<Camera[]>): void => {
    if (reply.kind === 'aborted') {
      return;
    }
    // That nobody answers is said above the page.
    stale.hidden = reply.kind === 'ok' || known === undefined || reply.reason === 'offline' || reply.reason === 'expired';
    if (reply.kind === 'error') {
      const text = `${reply.code} ${reply.message}`;
      if (known === undefined && text !== failure) { // what is shown stays when only its renewal failed
        failure = text;
        wall.show((s) => [errorBox(s, settings, () => settings.t.camerasFailed, reply, () => void load())]);
      }
      return;
    }
    failure = '';
    const before = known?.map((c) => c.id).join('\n');
    const { byLink, claims } = app.viewer;
    known = byLink && claims !== undefined ? reply.value.filter((c) => covers(claims.cameras, c.id)) : reply.value;
    count.textContent = known.length === 0 ? '' : String(known.length);
    if (before !== known.map((c) => c.id).join('\n')) {
      draw();
    }
    update(known);
  };
  let loading = false;
  const load = async (): Promise<void> => {
    if (!loading) {
      loading = true;
      const reply = await api.cameras(scope.signal);
      loading = false;
      fill(reply);
    }
  };
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) {
      void load();
    }
  }, { signal: scope.signal });

  wall.show((s) => [s.h('p', { class: 'loading', role: 'status' }, () => settings.t.loadingCameras)]);
  void load();
  app.connection.onBack(() => void load(), scope.signal);
  scope.every(pollMs, () => {
    if (!document.hidden) {
      void load();
    }
  });
  scope.every(1_000, () => scope.refresh());
  return { element, scope, title };
}
