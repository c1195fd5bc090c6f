// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Scope } from '../dom';
import type { Scale } from '../timeline/scale';
import { canScrub, Scrubber } from '../timeline/scrub';
import { labelAt, placeAt } from '../timeline/timeline';

export interface Pointed {
  ms: number;
  x: number;
  dragging: boolean;
  scale: Scale;
  width: number;
}

export interface Preview {
  element: HTMLElement;
  point: (at: Pointed | undefined) => void;
}

const boxWidth = 224;

/** previewBox shows, above the timeline, the time at the pointer and, where recorded says that there is one, the picture of it. */
export function previewBox(scope: Scope, app: App, camera: string, recorded: (ms: number) => boolean): Preview {
  const { settings } = app;
  const canvas = scope.h('canvas', { 'aria-hidden': 'true', hidden: true });
  const label = scope.h('span', {});
  const element = scope.h('div', { class: 'preview', hidden: true }, canvas, label);
  const context = canvas.getContext('2d');
  const scrubber = canScrub() ? new Scrubber(app.api, camera, scope.signal) : undefined;
  let shown: number | undefined;

  const draw = (picture: ImageBitmap | undefined): void => {
    canvas.hidden = picture === undefined;
    if (picture !== undefined && context !== null) {
      canvas.width = picture.width;
      canvas.height = picture.height;
      context.drawImage(picture, 0, 0);
    }
  };
  return {
    element,
    point: (at) => {
      element.hidden = at === undefined;
      if (at === undefined) {
        shown = undefined;
        return;
      }
      label.textContent = labelAt(at.scale, at.ms, settings.zone);
      element.style.setProperty('--x', `${placeAt(at.scale, at.width, at.ms, boxWidth)}px`);
      if (!recorded(at.ms)) {
        draw(undefined);
        return;
      }
      shown = at.ms;
      scrubber?.want(at.ms, (picture) => {
        if (shown === at.ms || picture !== undefined) {
          draw(picture);
        }
      });
    },
  };
}
