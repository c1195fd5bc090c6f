// SPDX-License-Identifier: Apache-2.0

import type { App, View } from '../app';
import { Scope } from '../dom';
import { formatRoute } from '../route';

export function unknownView(app: App): View {
  const scope = new Scope();
  const title = (): string => app.settings.t.unknownTitle;
  const element = scope.h('div', { class: 'notice' },
    scope.h('h1', {}, title),
    scope.h('p', {}, scope.h('a', { href: formatRoute({ view: 'cameras' }) }, () => app.settings.t.back)));
  return { element, scope, title };
}
