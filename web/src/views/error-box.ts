// SPDX-License-Identifier: Apache-2.0

import type { Reason } from '../api';
import type { Scope } from '../dom';
import type { Settings } from '../settings';

/** reasonText says why something failed, in the viewer's language. */
export function reasonText(settings: Settings, reason: Reason | 'media'): string {
  const t = settings.t;
  switch (reason) {
    case 'offline':
      return t.offline;
    case 'expired':
      return t.sessionExpired;
    case 'denied':
      return t.denied;
    case 'notFound':
      return t.noFootageHere;
    case 'badRequest':
      return t.badRequest;
    case 'server':
      return t.serverError;
    case 'media':
      return t.mediaError;
  }
}

/** errorBox says what failed, why, and offers to try again. */
export function errorBox(
  scope: Scope, settings: Settings, title: () => string,
  error: { reason: Reason; code: string; message: string }, retry: () => void,
): HTMLElement {
  return scope.h('div', { class: 'notice error', role: 'alert' },
    scope.h('h2', {}, title),
    scope.h('p', {}, () => reasonText(settings, error.reason)),
    error.reason !== 'offline' && scope.h('p', { class: 'detail' }, `${error.code}: ${error.message}`),
    scope.h('button', { type: 'button', class: 'primary', on: { click: retry } }, () => settings.t.retry));
}
