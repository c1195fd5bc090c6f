// SPDX-License-Identifier: Apache-2.0

import type { Scope } from '../dom';
import type { Settings } from '../settings';

/** emptyNotice is what somebody sees who has no camera yet: what to do next. */
export function emptyNotice(scope: Scope, settings: Settings): HTMLElement {
  return scope.h('div', { class: 'notice' },
    scope.h('h2', {}, () => settings.t.noCamerasTitle),
    scope.h('p', {}, () => settings.t.noCamerasText),
    scope.h('pre', { tabindex: 0 }, 's3cam push --camera cam1 --input clip.h264 --s3-url URL --bucket NAME'),
    scope.h('p', { class: 'detail' }, () => settings.t.noCamerasHint));
}
