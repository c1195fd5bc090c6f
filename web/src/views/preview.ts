// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Scope } from '../dom';
import type { Footage } from '../timeline/footage';
import type { Scale } from '../timeline/scale';
import { Scrubber } from '../timeline/scrub';
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

/**
 * previewBox shows, above the timeline, the time at the pointer and, where there is footage, the picture of it. While busy says that
 * the player waits for data, it asks for none.
 */
export function previewBox(scope: Scope, app: App, camera: string, footage: Footage, busy: () => boolean): Preview {
  const { settings } = app;
  const canvas = scope.h('canvas', { 'aria-hidden': 'true', hidden: true });
  const label = scope.h('span', {});
  const element = scope.h('div', { class: 'preview', 'aria-hidden': 'true', hidden: true }, canvas, label);
  const context = canvas.getContext('2d');
  const scrubber = new Scrubber(app.api, camera, scope.signal);
  let wanted: number | undefined; // a moment whose picture is to come

  const draw = (picture: ImageBitmap | undefined): void => {
    canvas.hidden = picture === undefined;
    if (picture !== undefined && context !== null) {
      canvas.width = picture.width;
      canvas.height = picture.height;
      context.drawImage(picture, 0, 0);
    }
  };
  const ask = (): void => {
    const ms = wanted;
    const cell = ms === undefined || busy() ? undefined : footage.cellAt(ms);
    if (ms === undefined || cell === undefined) {
      return;
    }
    wanted = undefined;
    scrubber.want(ms, cell, draw);
  };
  scope.every(150, ask);
  return {
    element,
    point: (at) => {
      element.hidden = at === undefined;
      wanted = undefined;
      if (at === undefined) {
        scrubber.cancel();
        draw(undefined);
        return;
      }
      label.textContent = labelAt(at.scale, at.ms, settings.zone);
      element.style.setProperty('--x', `${placeAt(at.scale, at.width, at.ms, boxWidth)}px`);
      if (footage.recordedAt(at.ms) === false) {
        scrubber.cancel();
        draw(undefined);
        return;
      }
      wanted = at.ms;
      const known = scrubber.known(at.ms);
      if (known === undefined) {
        ask();
      } else {
        wanted = undefined;
        draw(known);
      }
    },
  };
}
