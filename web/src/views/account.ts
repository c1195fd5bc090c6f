// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Scope } from '../dom';
import { formatRoute } from '../route';
import { dialog } from './dialog';
import { reasonText } from './error-box';
import { icon, type Icon } from './icons';
import { camerasText, claimsText, instant, pasteForm } from './share-link';

/** loginURL is the page to sign in on; it leads back to the page that is shown. */
export function loginURL(login: string): string {
  const url = new URL(login, location.href.replace(/#.*/, ''));
  if (url.origin === location.origin && location.hash.length > 2) {
    url.searchParams.set('next', `./${location.hash}`);
  }
  return url.href;
}

/** beside is a page of the server that is next to the one to sign in on. */
const beside = (login: string, name: string): string => new URL(name, new URL(login, location.href.replace(/#.*/, ''))).href;

/**
 * accountButton is the place at the top of every page that says who is watching: somebody who signed in, the holder of a link, or nobody
 * yet. Where everyone may watch there is nothing.
 */
export function accountButton(scope: Scope, app: () => App | undefined): HTMLElement {
  type Kind = 'person' | 'link' | 'signIn' | 'paste' | 'none';
  const kind = (): Kind => {
    const a = app();
    const session = a?.viewer.session;
    if (a === undefined || session?.open === true) {
      return 'none';
    }
    if (a.viewer.known) {
      return 'person';
    }
    if (a.viewer.token !== undefined) {
      return 'link';
    }
    if (a.login === undefined) {
      return a.sessions === 'none' ? 'paste' : 'none';
    }
    return a.sessions === 'asking' ? 'none' : 'signIn';
  };
  const label = (): string => {
    const a = app();
    const t = a?.settings.t;
    return t === undefined ? '' : { person: `${t.account}: ${a?.viewer.session?.name ?? ''}`, link: t.accountLink, signIn: t.signIn, paste: t.linkUse, none: '' }[kind()];
  };
  const button = scope.h('button', {
    type: 'button', class: 'tool account', hidden: () => kind() === 'none', title: label, 'aria-label': label,
    on: {
      click: () => {
        const a = app();
        if (a === undefined) {
          return;
        }
        if (kind() === 'signIn') {
          location.href = loginURL(a.login ?? '');
        } else if (kind() === 'paste') {
          dialog(a.settings, () => a.settings.t.linkUse, (s, close) => [s.h('p', {}, () => a.settings.t.linkNeededText), pasteForm(s, a, close)]);
        } else if (kind() === 'person') {
          personDialog(a);
        } else {
          linkDialog(a);
        }
      },
    },
  });
  let drawn: Icon | undefined;
  scope.follow(() => {
    const name: Icon = kind() === 'link' || kind() === 'paste' ? 'key' : 'person';
    if (name !== drawn) {
      drawn = name;
      button.replaceChildren(icon(name));
    }
  });
  return button;
}

function personDialog(app: App): void {
  const { settings, viewer, login } = app;
  const { session } = viewer;
  if (session === undefined) {
    return;
  }
  dialog(settings, () => settings.t.account, (s, close) => {
    const failed = s.h('p', { class: 'error-text', role: 'alert', hidden: true });
    const leave = async (): Promise<void> => {
      const reply = await app.api.signOut(s.signal);
      if (reply.kind === 'ok' || (reply.kind === 'error' && reply.reason === 'expired')) {
        viewer.drop();
        location.href = login === undefined ? formatRoute({ view: 'cameras' }) : beside(login, 'login');
        close();
      } else if (reply.kind === 'error') {
        failed.textContent = reasonText(settings, reply.reason);
        failed.hidden = false;
      }
    };
    return [
      s.h('p', {}, () => settings.t.accountOf(session.name), session.admin && ' · ', session.admin && (() => settings.t.accountAdmin)),
      s.h('p', { class: 'detail' }, () => settings.t.accountSees(camerasText(app, session.cameras))),
      failed,
      s.h('p', { class: 'actions' },
        login !== undefined && s.h('a', { class: 'button', href: beside(login, 'password') }, () => settings.t.changePassword),
        s.h('button', { type: 'button', on: { click: () => void leave() } }, () => settings.t.signOut)),
    ];
  });
}

function linkDialog(app: App): void {
  const { settings, viewer, login } = app;
  const { claims } = viewer;
  dialog(settings, () => settings.t.accountLink, (s, close) => [
    ...(claims === undefined ? [] : [
      ...claimsText(s, app, claims),
      s.h('p', { class: 'detail' }, () => settings.t.shareUntil(instant(app, claims.expires)))]),
    s.h('p', { class: 'actions' },
      login !== undefined && s.h('a', { class: 'button', href: loginURL(login) }, () => settings.t.signIn),
      s.h('button', { type: 'button', on: { click: () => { close(); app.dropLink(); } } }, () => settings.t.linkDrop)),
  ]);
}
