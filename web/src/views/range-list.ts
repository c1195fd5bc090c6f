// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Range } from '../decode';
import type { Scope } from '../dom';
import { formatRoute } from '../route';
import { dayOf, formatDate, formatSpan, formatTime } from '../time';
import { errorBox } from './error-box';

const shownAtOnce = 300;
const freshMs = 20_000; // a range that ends so recently still grows: playing it goes on into live

/**
 * rangeList shows what is recorded on a day, in the zone of the page. Without a time it begins with the day of the
 * newest footage; propose is told of a good time to begin at.
 */
export function rangeList(
  scope: Scope, app: App, camera: string, start: number | undefined, propose: (start: number) => void,
): HTMLElement {
  const { api, settings, clock } = app;
  let instant = start ?? clock.now(); // any instant of the shown day
  let newest: number | undefined;
  let request = 0;

  const day = (): { start: number; end: number } => dayOf(instant, settings.zone);
  const list = scope.region('div', { class: 'ranges' });
  const step = (to: () => number, label: () => string, sign: string, disabled: () => boolean): HTMLElement =>
    scope.h('button', {
      type: 'button', 'aria-label': label, title: label, disabled, on: { click: () => { instant = to(); void load(); } },
    }, sign);
  const element = scope.h('section', { class: 'card' },
    scope.h('h2', {}, () => settings.t.recorded),
    scope.h('div', { class: 'day' },
      step(() => day().start - 1, () => settings.t.dayBefore, '‹', () => false),
      scope.h('p', { 'aria-live': 'polite' }, () => formatDate(instant, settings.zone)),
      step(() => day().end, () => settings.t.dayAfter, '›', () => day().end > clock.now())),
    list.element);

  const item = (s: Scope, range: Range): HTMLElement => {
    const grows = clock.now() - range.end < freshMs;
    const from = Math.floor(range.start / 1000) * 1000;
    const to = Math.ceil(range.end / 1000) * 1000;
    const current = start !== undefined && start >= from && start < to;
    return s.h('li', {}, s.h('a', {
      href: formatRoute({ view: 'play', camera, start: from, end: grows ? 'open' : to }),
      'aria-current': current && 'true',
      'aria-label': () => settings.t.playRange(formatTime(from, settings.zone), formatTime(to, settings.zone)),
    },
    s.h('span', {}, () => `${formatTime(from, settings.zone)} – ${grows ? '…' : formatTime(to, settings.zone)}`),
    s.h('span', { class: 'span' }, formatSpan(range.end - range.start))));
  };

  const none = (s: Scope): (Node | string)[] => {
    const last = newest;
    const elsewhere = last !== undefined && (last < day().start || last >= day().end);
    return [
      s.h('p', { class: 'detail' }, () => settings.t.noRanges),
      ...(elsewhere ? [s.h('p', { class: 'detail' },
        () => `${settings.t.newestAt(`${formatDate(last, settings.zone)} ${formatTime(last, settings.zone)}`)} `,
        s.h('button', { type: 'button', class: 'link', on: { click: () => { instant = last; void load(); } } },
          () => settings.t.showThatDay))] : []),
    ];
  };

  const load = async (): Promise<void> => {
    const mine = ++request;
    scope.refresh();
    const { start: from, end: to } = day();
    list.show((s) => [s.h('p', { class: 'loading', role: 'status' }, () => settings.t.loadingRanges)]);
    const reply = await api.coverage(camera, from, to, scope.signal);
    if (mine !== request || reply.kind === 'aborted') {
      return; // another day was chosen meanwhile
    }
    if (reply.kind === 'error' && reply.reason !== 'notFound') {
      list.show((s) => [errorBox(s, settings, () => settings.t.rangesFailed, reply, () => void load())]);
      return;
    }
    const ranges = reply.kind === 'ok' ? reply.value : [];
    if (ranges.length === 0) {
      list.show(none);
      return;
    }
    const [first] = ranges.slice(-1);
    if (first !== undefined) {
      propose(Math.floor(Math.max(first.start, first.end - 600_000) / 1000) * 1000);
    }
    list.show((s) => [
      s.h('ul', {}, ...ranges.slice(-shownAtOnce).map((r) => item(s, r))),
      ...(ranges.length > shownAtOnce ? [s.h('p', { class: 'detail' }, `+ ${ranges.length - shownAtOnce}`)] : []),
    ]);
  };

  const begin = async (): Promise<void> => {
    const reply = await api.cameras(scope.signal);
    if (reply.kind === 'aborted') {
      return;
    }
    newest = reply.kind === 'ok' ? reply.value.find((c) => c.id === camera)?.last : undefined;
    if (start === undefined && newest !== undefined) {
      instant = newest;
    }
    await load();
  };
  let zoneShown = settings.zone;
  scope.follow(() => {
    if (zoneShown !== settings.zone) {
      zoneShown = settings.zone;
      void load();
    }
  });
  void begin();
  return element;
}
