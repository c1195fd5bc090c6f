// SPDX-License-Identifier: Apache-2.0

import './style.css';
import './views/views.css';
import { API, loadConfig } from './api';
import type { App, View } from './app';
import { ServerClock } from './clock';
import { Connection } from './connection';
import { Scope } from './dom';
import { formatRoute, parseRoute, type Route } from './route';
import { Settings } from './settings';
import { cameraView } from './views/camera';
import { errorBox } from './views/error-box';
import { connectionBanner, controls, followTheme } from './views/frame';
import { listenForKeys, showShortcuts } from './views/shortcuts';
import { syncView } from './views/sync';
import { unknownView } from './views/unknown';
import { wallView } from './views/wall';

function view(app: App, route: Route): View {
  switch (route.view) {
    case 'cameras':
      return wallView(app);
    case 'live':
    case 'play':
      return cameraView(app, route);
    case 'sync':
      return syncView(app, route);
    case 'unknown':
      return unknownView(app);
  }
}

/** cameraOf is the camera whose time zone a page is in. */
function cameraOf(route: Route): string | undefined {
  return route.view === 'sync' ? route.cameras[0] : 'camera' in route ? route.camera : undefined;
}

function start(root: HTMLElement): void {
  const settings = new Settings(navigator.languages);
  followTheme(settings);
  const clock = new ServerClock();
  const shell = new Scope();
  let login: string | undefined;
  let current: View | undefined;
  let app: App | undefined;
  const connection = new Connection(async () => app?.api.cameras(shell.signal));
  connection.online = navigator.onLine;
  addEventListener('online', () => { connection.online = true; });
  addEventListener('offline', () => { connection.online = false; });
  addEventListener('focus', () => connection.look());

  const main = shell.h('main', { id: 'main', tabindex: -1 });
  const skip = shell.h('a', {
    class: 'skip', href: '#main', on: { click: (e) => { e.preventDefault(); main.focus(); } },
  }, () => settings.t.skip);
  const brand = shell.h('a', { class: 'brand', href: formatRoute({ view: 'cameras' }) },
    shell.h('img', { src: './favicon.svg', alt: '', width: 28, height: 28 }), 's3cam');
  const footer = shell.h('footer', {}, shell.h('a', { href: './licenses.md' }, () => settings.t.licences));
  const keys = (): NonNullable<View['shortcuts']> => current?.shortcuts ?? [];
  root.replaceChildren(skip,
    shell.h('header', {}, brand, controls(shell, settings, () => showShortcuts(settings, keys()))),
    connectionBanner(shell, settings, connection, () => login), main, footer);

  const show = (focus: boolean): void => {
    if (app === undefined) {
      return;
    }
    current?.scope.dispose();
    const route = parseRoute(location.hash);
    settings.camera = cameraOf(route);
    current = view(app, route);
    main.replaceChildren(current.element);
    relabel();
    if (focus) {
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
  };
  const relabel = (): void => {
    document.documentElement.lang = settings.language === 'zh' ? 'zh-CN' : 'en';
    shell.refresh();
    current?.scope.refresh();
    retitle();
  };
  const retitle = (): void => {
    const title = current === undefined ? 's3cam' : `${current.title()} – s3cam`;
    if (document.title !== title) {
      document.title = title;
    }
  };
  shell.every(1_000, retitle); // a view goes from live into the recording and back
  settings.onChange(relabel);
  connection.onChange(() => shell.refresh());
  listenForKeys(settings, keys);
  addEventListener('hashchange', () => show(true));

  const begin = async (): Promise<void> => {
    const config = await loadConfig(location.href, clock, shell.signal);
    if (config.kind === 'error') {
      main.replaceChildren(errorBox(shell, settings, () => settings.t.pageFailed, config, () => void begin()));
    } else if (config.kind === 'ok') {
      login = config.value.login;
      settings.cameraZones = config.value;
      app = {
        api: new API(location.href, config.value.apiBase, clock, connection),
        clock,
        settings,
        connection,
        clips: config.value.clips,
        navigate: (route) => { location.hash = formatRoute(route); },
      };
      show(false);
    }
  };
  relabel();
  void begin();
}

const root = document.getElementById('app');
if (root !== null) {
  start(root);
}
