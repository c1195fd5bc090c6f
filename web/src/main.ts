// SPDX-License-Identifier: Apache-2.0

import './style.css';
import './views/views.css';
import { API, loadConfig } from './api';
import type { App, View } from './app';
import { ServerClock } from './clock';
import { Scope } from './dom';
import { formatRoute, parseRoute, type Route } from './route';
import { Settings } from './settings';
import { errorBox } from './views/error-box';
import { cameraView } from './views/camera';
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

/** controls are the choices at the top of every page. */
function controls(shell: Scope, settings: Settings): HTMLElement {
  const language = shell.h('select', {
    'aria-label': () => settings.t.language,
    on: { change: (_, e) => { settings.language = e.value === 'zh' ? 'zh' : 'en'; } },
  }, shell.h('option', { value: 'en' }, 'English'), shell.h('option', { value: 'zh' }, '中文'));
  language.value = settings.language;
  const zone = shell.h('select', {
    'aria-label': () => settings.t.zone,
    on: { change: (_, e) => { settings.zoneChoice = e.value === 'utc' ? 'utc' : 'browser'; } },
  },
  shell.h('option', { value: 'browser' }, () => settings.t.zoneBrowser(settings.browserOffset(Date.now()))),
  shell.h('option', { value: 'utc' }, 'UTC'));
  zone.value = settings.zoneChoice;
  return shell.h('div', { class: 'controls' }, zone, language);
}

function start(root: HTMLElement): void {
  const settings = new Settings(navigator.languages);
  const clock = new ServerClock();
  const shell = new Scope();
  const main = shell.h('main', { id: 'main', tabindex: -1 });
  const skip = shell.h('a', {
    class: 'skip', href: '#main', on: { click: (e) => { e.preventDefault(); main.focus(); } },
  }, () => settings.t.skip);
  const brand = shell.h('a', { class: 'brand', href: formatRoute({ view: 'cameras' }) },
    shell.h('img', { src: './favicon.svg', alt: '', width: 28, height: 28 }), 's3cam');
  const footer = shell.h('footer', {}, shell.h('a', { href: './licenses.md' }, () => settings.t.licences));
  root.replaceChildren(skip, shell.h('header', {}, brand, controls(shell, settings)), main, footer);

  let current: View | undefined;
  let app: App | undefined;

  const show = (focus: boolean): void => {
    if (app === undefined) {
      return;
    }
    current?.scope.dispose();
    current = view(app, parseRoute(location.hash));
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
    document.title = current === undefined ? 's3cam' : `${current.title()} – s3cam`;
  };
  settings.onChange(relabel);
  addEventListener('hashchange', () => show(true));

  const begin = async (): Promise<void> => {
    const config = await loadConfig(location.href, clock, shell.signal);
    if (config.kind === 'error') {
      main.replaceChildren(errorBox(shell, settings, () => settings.t.serverError, config, () => void begin()));
    } else if (config.kind === 'ok') {
      app = {
        api: new API(location.href, config.value.apiBase, clock),
        clock,
        settings,
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
