// SPDX-License-Identifier: Apache-2.0

import type { Connection } from '../connection';
import type { Scope } from '../dom';
import type { Settings } from '../settings';
import { formatOffset } from '../time';
import { loginURL } from './account';
import { icon, type Icon } from './icons';
import { pickZone } from './zone-picker';

/** controls are the choices at the top of every page: zone, language, light or dark, what keys do, and who is watching. */
export function controls(scope: Scope, settings: Settings, account: HTMLElement, help: () => void): HTMLElement {
  const language = scope.h('select', {
    class: 'language', 'aria-label': () => settings.t.language,
    on: { change: (_, e) => { settings.language = e.value === 'zh' ? 'zh' : 'en'; } },
  }, scope.h('option', { value: 'en' }, 'English'), scope.h('option', { value: 'zh' }, '中文'));
  language.value = settings.language;

  const named = scope.h('option', {});
  const zone = scope.h('select', {
    class: 'zone', 'aria-label': () => settings.t.zone,
    on: {
      change: (_, e) => {
        if (e.value === 'other') {
          pickZone(settings, () => { e.value = settings.zoneChoice; });
        } else {
          settings.zoneChoice = e.value;
        }
      },
    },
  });
  const label = (choice: string): string => formatOffset(Date.now(), settings.zoneOf(choice));
  const options = {
    browser: scope.h('option', { value: 'browser' }, () => settings.t.zoneBrowser(label('browser'))),
    camera: scope.h('option', { value: 'camera' }, () => settings.t.zoneCamera(label('camera'))),
    utc: scope.h('option', { value: 'utc' }, 'UTC'),
    other: scope.h('option', { value: 'other' }, () => settings.t.zoneOther),
  };
  let listed = '';
  scope.follow(() => {
    const own = !(settings.zoneChoice in options);
    const camera = settings.knowsCameraZones || settings.zoneChoice === 'camera';
    if (own) {
      named.value = settings.zoneChoice;
      named.textContent = `${settings.zoneChoice} (${label(settings.zoneChoice)})`;
    }
    if (listed !== `${own} ${camera}`) {
      listed = `${own} ${camera}`;
      zone.replaceChildren(options.browser, ...(camera ? [options.camera] : []), options.utc, ...(own ? [named] : []), options.other);
    }
    if (zone.value !== settings.zoneChoice) {
      zone.value = settings.zoneChoice;
    }
  });

  const looks = ['auto', 'light', 'dark'] as const;
  const pictures: Record<(typeof looks)[number], Icon> = { auto: 'themeAuto', light: 'themeLight', dark: 'themeDark' };
  const look = scope.h('button', {
    type: 'button', class: 'tool look', title: () => settings.t.theme(settings.theme), 'aria-label': () => settings.t.theme(settings.theme),
    on: { click: () => { settings.theme = looks[(looks.indexOf(settings.theme) + 1) % looks.length] ?? 'auto'; } },
  });
  let drawn: Icon | undefined;
  scope.follow(() => {
    const name = pictures[settings.theme];
    if (name !== drawn) {
      drawn = name;
      look.replaceChildren(icon(name));
    }
  });
  const keys = scope.h('button', {
    type: 'button', class: 'tool help', title: () => `${settings.t.shortcuts} (?)`, 'aria-label': () => settings.t.shortcuts, on: { click: help },
  }, icon('keyboard'));
  return scope.h('div', { class: 'controls' }, zone, language, look, keys, account);
}

/** followTheme gives the page the colours that the viewer chose, or that the system has. */
export function followTheme(settings: Settings): void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const apply = (): void => {
    const dark = settings.theme === 'auto' ? system.matches : settings.theme === 'dark';
    document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
  };
  apply();
  system.addEventListener('change', apply);
  settings.onChange(apply);
}

/** connectionBanner says above every page when the server, or the way to it, is gone, or when it no longer knows the viewer. */
export function connectionBanner(scope: Scope, settings: Settings, connection: Connection, login: () => string | undefined, gated: () => boolean): HTMLElement {
  const text = (): string => {
    switch (connection.state) {
      case 'ok':
        return '';
      case 'browser':
        return settings.t.browserOffline;
      case 'server':
        return settings.t.serverAway;
      case 'expired':
        return settings.t.sessionExpired;
      case 'linkExpired':
      case 'linkRefused':
        return ''; // the page itself says it
    }
  };
  const signIn = scope.h('a', {
    class: 'button', hidden: () => connection.state !== 'expired' || login() === undefined,
    href: () => { const page = login(); return page === undefined ? undefined : loginURL(page); },
  }, () => settings.t.signIn);
  return scope.h('div', { class: 'banner', role: 'status', hidden: () => text() === '' || gated() }, scope.h('p', {}, text), signIn);
}
