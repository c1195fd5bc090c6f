// SPDX-License-Identifier: Apache-2.0

/** The pages for who may not watch: a link that is no longer good, one for something else, and no link at all. */

import type { App, View } from '../app';
import { Scope } from '../dom';
import { formatRoute } from '../route';
import { camerasLinks, claimsText, instant, pasteForm } from './share-link';
import { loginURL } from './account';

/** Why nothing can be shown: the link was good once, or never, or one is needed. */
export type Gate = 'linkExpired' | 'linkRefused' | 'needed';

/** gateView says what is wrong with the link by which the page was opened, and what to do. */
export function gateView(app: App, gate: Gate): View {
  const { settings, viewer } = app;
  const scope = new Scope();
  const title = (): string => ({
    linkExpired: settings.t.linkExpiredTitle, linkRefused: settings.t.linkRefusedTitle, needed: settings.t.linkNeededTitle,
  })[gate];
  const expires = viewer.claims?.expires;
  const text = (): string => {
    switch (gate) {
      case 'linkExpired':
        return settings.t.linkExpiredText(expires === undefined ? '–' : instant(app, expires));
      case 'linkRefused':
        return settings.t.linkRefusedText;
      case 'needed':
        return settings.t.linkNeededText;
    }
  };
  const element = scope.h('div', { class: 'notice gate', role: 'alert' },
    scope.h('h1', {}, title),
    scope.h('p', {}, text),
    app.login === undefined && pasteForm(scope, app, () => {}),
    (app.login !== undefined || gate !== 'needed') && scope.h('p', { class: 'actions' },
      app.login !== undefined && scope.h('a', { class: 'button primary', href: loginURL(app.login) }, () => settings.t.signIn),
      gate !== 'needed' && scope.h('button', { type: 'button', on: { click: () => app.dropLink() } }, () => settings.t.linkDrop)));
  return { element, scope, title };
}

/** deniedView is shown instead of a camera that the viewer may not see, or of footage that is not in his link. */
export function deniedView(app: App, camera: string): View {
  const { settings, viewer } = app;
  const scope = new Scope();
  const claims = viewer.byLink ? viewer.claims : undefined;
  const title = (): string => (claims === undefined ? settings.t.denied : settings.t.linkOther);
  const all = scope.h('a', { class: 'button', href: formatRoute({ view: 'cameras' }) }, () => settings.t.back);
  const element = scope.h('div', { class: 'notice gate', role: 'alert' },
    scope.h('h1', {}, title),
    scope.h('p', { class: 'detail' }, () => settings.t.deniedCamera(camera)),
    ...(claims === undefined ? [] : claimsText(scope, app, claims)),
    scope.h('p', { class: 'actions' },
      ...(claims === undefined ? [] : camerasLinks(scope, app, claims)), all,
      app.login !== undefined && !viewer.session?.open && scope.h('a', { class: 'button', href: loginURL(app.login) },
        () => (viewer.known ? settings.t.signInOther : settings.t.signIn))));
  return { element, scope, title };
}
