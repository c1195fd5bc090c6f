// SPDX-License-Identifier: Apache-2.0

import { Scope } from '../dom';
import type { Settings } from '../settings';

/** dialog shows something over the page until it is closed: by its button, Escape, or a click beside it. */
export function dialog(settings: Settings, title: () => string, fill: (scope: Scope, close: () => void) => Node[]): void {
  const scope = new Scope();
  const element = scope.h('dialog', { 'aria-label': title });
  const close = (): void => element.close();
  element.append(
    scope.h('div', { class: 'dialog' },
      scope.h('div', { class: 'dialog-head' },
        scope.h('h2', {}, title),
        scope.h('button', { type: 'button', class: 'tool', 'aria-label': () => settings.t.close, title: () => settings.t.close, on: { click: close } }, '✕')),
      ...fill(scope, close)));
  element.addEventListener('click', (e) => {
    if (e.target === element) {
      close();
    }
  });
  element.addEventListener('close', () => {
    scope.dispose();
    element.remove();
  });
  document.body.append(element);
  element.showModal();
}

/** dialogOpen tells whether one is shown: keys belong to it then. */
export const dialogOpen = (): boolean => document.querySelector('dialog[open]') !== null;
