// SPDX-License-Identifier: Apache-2.0

import './style.css';
import './views/views.css';
import { API, loadConfig } from './api';
import type { App, View } from './app';
import { ServerClock } from './clock';
import { Connection } from './connection';
import { Scope } from './dom';
import { formatRoute, parseRoute, type Route, setAddress, takeToken } from './route';
import { Settings } from './settings';
import { tokenIn, Viewer } from './viewer';
import { accountButton, loginURL } from './views/account';
import { cameraView } from './views/camera';
import { errorBox } from './views/error-box';
import { connectionBanner, controls, followTheme } from './views/frame';
import { deniedView, type Gate, gateView } from './views/share-notice';
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
  const viewer = new Viewer();
  takeLink();
  let current: View | undefined;
  let gate: Gate | undefined;
  let leaving = false;
  let asking = false;
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
    shell.h('header', {}, brand, controls(shell, settings, accountButton(shell, () => app), () => showShortcuts(settings, keys()))),
    connectionBanner(shell, settings, connection, () => app?.login, () => gate !== undefined || leaving), main, footer);

  const show = (focus: boolean): void => {
    if (app === undefined) {
      return;
    }
    const route = parseRoute(location.hash);
    settings.camera = cameraOf(route);
    gate = gateOf(app);
    change(gate === undefined ? view(app, route) : gateView(app, gate));
    if (focus) {
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
  };
  const change = (next: View): void => {
    current?.scope.dispose();
    current = next;
    main.replaceChildren(next.element);
    relabel();
  };
  /** takeLink takes the token of a link out of the address bar and uses it from now on; it tells whether there was one. */
  function takeLink(): boolean {
    const { hash, token } = takeToken(location.hash);
    if (token === undefined) {
      return false;
    }
    viewer.take(token);
    setAddress(hash);
    return true;
  }
  /** gateOf is why nothing can be shown at all. Who merely did not sign in is sent there. */
  const gateOf = (a: App): Gate | undefined => {
    const { state } = connection;
    if (state === 'linkExpired' || state === 'linkRefused') {
      return state;
    }
    if (state !== 'expired' || viewer.known) {
      return undefined;
    }
    if (a.login === undefined) {
      return 'needed';
    }
    if (viewer.token === undefined && !leaving) {
      leaving = true;
      location.replace(loginURL(a.login));
    }
    return undefined;
  };
  /** anew begins again with another link, or without one. */
  const anew = (focus: boolean): void => {
    connection.heard();
    void askWho();
    void askZones();
    show(focus);
  };
  /** askWho asks whose session this is. What it allows beyond a link is shown then. */
  const askWho = async (): Promise<void> => {
    if (app === undefined || app.sessions === 'none' || asking) {
      return;
    }
    const before = viewer.byLink;
    asking = true;
    const reply = await app.api.session(shell.signal);
    asking = false;
    app.sessions = 'asked';
    viewer.session = reply.kind === 'ok' ? reply.value : undefined;
    if (viewer.known && viewer.claims !== undefined && viewer.claims.expires < clock.now()) {
      viewer.drop(); // else it is the link of which the end is told when the session ends
    }
    if (viewer.byLink !== before || gateOf(app) !== gate) {
      show(false);
    } else {
      relabel();
    }
  };
  /** askZones asks for the time zones of the cameras that a link opens: they are told to those who may see them. */
  const askZones = async (): Promise<void> => {
    if (app === undefined || app.sessions === 'none' || viewer.token === undefined) {
      return;
    }
    const reply = await app.api.config(shell.signal);
    if (reply.kind === 'ok') {
      settings.cameraZones = reply.value;
      relabel();
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
  connection.onChange(() => {
    if (app !== undefined && gateOf(app) !== gate) {
      show(false);
    }
    shell.refresh();
  });
  connection.onBack(() => void askWho(), shell.signal); // somebody may have signed in, elsewhere too
  listenForKeys(settings, keys);
  addEventListener('hashchange', () => {
    if (takeLink()) {
      anew(true);
    } else {
      show(true);
    }
  });

  const begin = async (): Promise<void> => {
    const config = await loadConfig(location.href, clock, shell.signal);
    if (config.kind === 'error') {
      main.replaceChildren(errorBox(shell, settings, () => settings.t.pageFailed, config, () => void begin()));
    } else if (config.kind === 'ok') {
      settings.cameraZones = config.value;
      app = {
        api: new API(location.href, config.value.apiBase, clock, connection, undefined, viewer),
        clock,
        settings,
        connection,
        viewer,
        sessions: config.value.apiBase === '' ? 'asking' : 'none',
        clips: config.value.clips,
        login: config.value.login,
        navigate: (route) => { location.hash = formatRoute(route); },
        openLink: (text) => {
          const token = tokenIn(text);
          if (token === undefined) {
            return false;
          }
          viewer.take(token);
          setAddress(takeToken(/#\S*/.exec(text)?.[0] ?? location.hash).hash || '#/');
          anew(true);
          return true;
        },
        dropLink: () => {
          viewer.drop();
          anew(true);
        },
        deny: (camera) => {
          if (app !== undefined) {
            change(deniedView(app, camera));
          }
        },
      };
      void askWho();
      void askZones();
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
