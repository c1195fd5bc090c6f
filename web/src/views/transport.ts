// SPDX-License-Identifier: Apache-2.0

import type { Scope } from '../dom';
import type { Settings } from '../settings';
import { formatSpan } from '../time';
import { spanOf } from '../timeline/scale';
import type { Timeline } from '../timeline/timeline';
import { icon, type Icon } from './icons';

const second = 1000;

/** What the row of buttons below a picture, or several, does. */
export interface Playback {
  playing: () => boolean;
  toggle: () => void;
  live: () => boolean;
  /** whether live is what is really seen, not only what was asked for */
  onAir: () => boolean;
  goLive: () => void;
  /** false: live is not for this viewer */
  canLive?: boolean;
  skip: (ms: number) => void;
  rates: readonly number[];
  setRate: (rate: number) => void;
  /** by pictures; undefined when there is no such thing */
  step?: (pictures: number) => void;
  /** to the recording before or after the next gap */
  gap?: (direction: 1 | -1) => void;
}

export interface Transport {
  element: HTMLElement;
  /** rate shows how fast it plays, after it was set elsewhere */
  rate: (rate: number) => void;
}

/** toolButton makes a button that is only a picture. */
export function toolButton(scope: Scope, name: Icon, label: () => string, click: () => void): HTMLButtonElement {
  return scope.h('button', { type: 'button', class: 'tool', title: label, 'aria-label': label, on: { click } }, icon(name));
}

/** transport makes the row: gaps, seconds, pictures, play, speed, live; then more; then the zoom of the timeline. */
export function transport(scope: Scope, settings: Settings, p: Playback, bar: () => Timeline, more: readonly HTMLElement[]): Transport {
  const skip = (sign: string, label: () => string, ms: number): HTMLElement => scope.h('button', {
    type: 'button', class: 'tool text', title: label, 'aria-label': label, on: { click: () => p.skip(ms) },
  }, sign);
  const label = (): string => (p.playing() ? settings.t.pause : settings.t.play);
  const play = scope.h('button', {
    type: 'button', class: 'tool play', title: label, 'aria-label': label, on: { click: () => { p.toggle(); scope.refresh(); } },
  });
  let drawn: Icon | undefined;
  scope.follow(() => {
    const name: Icon = p.playing() ? 'pause' : 'play';
    if (name !== drawn) {
      drawn = name;
      play.replaceChildren(icon(name));
    }
  });
  const rate = scope.h('select', {
    class: 'rate', 'aria-label': () => settings.t.speed, disabled: () => p.live(), on: { change: (_, e) => p.setRate(Number(e.value)) },
  }, ...p.rates.map((r) => scope.h('option', { value: r }, `${r}×`)));
  rate.value = '1';
  const live = scope.h('button', {
    type: 'button', hidden: p.canLive === false, class: () => (p.onAir() ? 'live-button on' : 'live-button'), 'aria-pressed': () => (p.onAir() ? 'true' : 'false'),
    on: { click: () => p.goLive() },
  }, () => settings.t.live);
  const { step, gap } = p;
  return {
    rate: (r) => { rate.value = String(r); },
    element: scope.h('div', { class: 'transport', role: 'group', 'aria-label': () => settings.t.controls },
      gap && toolButton(scope, 'gapBack', () => settings.t.previousFootage, () => gap(-1)),
      skip('−10', () => settings.t.tenBack, -10 * second),
      step && toolButton(scope, 'stepBack', () => settings.t.frameBack, () => step(-1)),
      play,
      step && toolButton(scope, 'stepOn', () => settings.t.frameOn, () => step(1)),
      skip('+10', () => settings.t.tenOn, 10 * second),
      gap && toolButton(scope, 'gapOn', () => settings.t.nextFootage, () => gap(1)),
      rate, live, scope.h('span', { class: 'spacer' }), ...more,
      scope.h('div', { class: 'zoom', role: 'group', 'aria-label': () => settings.t.zoom },
        toolButton(scope, 'zoomOut', () => settings.t.zoomOut, () => bar().zoomBy(2)),
        scope.h('select', {
          class: 'span', 'aria-label': () => settings.t.zoomSpan,
          on: { change: (_, e) => { bar().zoomTo(Number(e.value)); scope.refresh(); } },
        }, ...spanOptions(scope, settings, bar)),
        toolButton(scope, 'zoomIn', () => settings.t.zoomIn, () => bar().zoomBy(0.5)))),
  };
}

const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** The spans that one choice leads to. */
export const spans = [minute, 10 * minute, hour, 6 * hour, day, 7 * day, 31 * day] as const;

/** spanOptions names those spans; the first says which one is shown when it is none of them. */
function spanOptions(scope: Scope, settings: Settings, bar: () => Timeline): HTMLOptionElement[] {
  const free = scope.h('option', { disabled: true });
  const named = spans.map((s) => scope.h('option', { value: s }, () => settings.t.span(s / second)));
  scope.follow(() => {
    queueMicrotask(() => { // the bar is made after its buttons
      const shown = Math.round(spanOf(bar().scale()) / second) * second;
      const known = spans.findIndex((s) => s === shown);
      free.textContent = formatSpan(shown);
      free.hidden = known >= 0;
      const option = known < 0 ? free : named[known];
      if (option !== undefined && !option.selected) {
        option.selected = true;
      }
    });
  });
  return [free, ...named];
}
