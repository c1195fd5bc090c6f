// SPDX-License-Identifier: Apache-2.0

/** A link to hand on, and the field for one that was handed over. */

import type { App } from '../app';
import type { Scope } from '../dom';
import { formatRoute, type Route } from '../route';
import { formatDateTime } from '../time';
import type { Claims } from '../viewer';

/** addressOf is the whole address of a page of this site. */
export function addressOf(hash: string): string {
  return `${location.href.replace(/[?#].*/, '')}${hash}`;
}

/** instant writes a moment with the zone that it is in. */
export function instant(app: App, ms: number): string {
  return `${formatDateTime(ms, app.settings.zone)} (${app.settings.zoneLabel(ms)})`;
}

/** copyField shows a link with a button that copies it; where the clipboard is not to be had, the link is selected instead. */
export function copyField(scope: Scope, app: App, link: string): Node[] {
  const { settings } = app;
  let say: () => string = () => '';
  const field = scope.h('input', {
    type: 'text', class: 'link-field', readonly: true, value: link, spellcheck: 'false', 'aria-label': () => settings.t.shareLink,
    on: { focus: (_, e) => e.select() },
  });
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(link);
      say = () => settings.t.copied;
    } catch {
      field.focus(); // pages without TLS have no clipboard: the old way, else the viewer's own
      field.select();
      const done = document.execCommand('copy');
      say = () => (done ? settings.t.copied : settings.t.copyByHand);
    }
    scope.refresh();
  };
  return [
    scope.h('p', { class: 'link-row' }, field,
      scope.h('button', { type: 'button', class: 'primary', on: { click: () => void copy() } }, () => settings.t.copy)),
    scope.h('p', { class: 'detail', role: 'status' }, () => say()),
  ];
}

/** pasteForm takes a link, or its token, and goes there. */
export function pasteForm(scope: Scope, app: App, done: () => void): HTMLElement {
  const { settings } = app;
  const wrong = scope.h('p', { id: 'link-wrong', class: 'error-text', role: 'alert', hidden: true }, () => settings.t.linkWrong);
  const field = scope.h('input', {
    type: 'text', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', placeholder: () => 'https://…token=s3t1.…',
    'aria-label': () => settings.t.linkField, 'aria-describedby': 'link-wrong', on: { input: () => { wrong.hidden = true; } },
  });
  return scope.h('form', {
    class: 'paste',
    on: {
      submit: (e) => {
        e.preventDefault();
        if (app.openLink(field.value)) {
          done();
        } else {
          wrong.hidden = false;
        }
      },
    },
  },
  scope.h('p', { class: 'link-row' }, field, scope.h('button', { type: 'submit', class: 'primary' }, () => settings.t.linkOpen)), wrong);
}

/** camerasText names cameras, or patterns of them, in a sentence. */
export function camerasText(app: App, cameras: readonly string[]): string {
  return cameras.includes('*') ? app.settings.t.allCameras : cameras.join(', ');
}

/** routeTo is where a link to a camera leads: to the begin of its range, or live. */
export function routeTo(camera: string, claims: Claims | undefined): Route {
  return claims?.range === undefined ? { view: 'live', camera } : { view: 'play', camera, ...claims.range };
}

/** claimsText says what a link shows, and until when it is good. */
export function claimsText(scope: Scope, app: App, claims: Claims): HTMLElement[] {
  const { range } = claims;
  const { settings } = app;
  return [
    scope.h('p', {}, () => settings.t.linkShows(camerasText(app, claims.cameras))),
    ...(range === undefined ? [] : [
      scope.h('p', {}, () => settings.t.linkShowsRange(formatDateTime(range.start, settings.zone), instant(app, range.end)))]),
  ];
}

/** camerasLinks are ways to the cameras of a link. */
export function camerasLinks(scope: Scope, app: App, claims: Claims): HTMLElement[] {
  const { settings } = app;
  return claims.cameras.filter((c) => !c.endsWith('*')).map((camera) => scope.h('a', {
    class: 'button primary', href: formatRoute(routeTo(camera, claims)),
  }, () => (claims.range === undefined ? settings.t.watchLive(camera) : settings.t.replayOf(camera))));
}
