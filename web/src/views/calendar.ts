// SPDX-License-Identifier: Apache-2.0

import type { Result } from '../api';
import type { App } from '../app';
import type { Range, Resolution } from '../decode';
import type { Scope } from '../dom';
import { dayOf, formatDate, instantOf, wallTime } from '../time';
import { errorBox } from './error-box';
import { type Day, daysIn, knownDays } from './recorded-days';

export interface Calendar {
  element: HTMLElement;
}

export interface CalendarOptions {
  time: () => number | undefined;
  /** a day was chosen: the instant it begins */
  choose: (dayStart: number) => void;
}

const renewMs = 5 * 60_000;

const hour = 3600_000;
const atOnce = 4; // requests

/**
 * calendar shows a month and marks the days with footage of any of the cameras. It asks by the hour of UTC; where a zone's midnight lies in the middle of an
 * hour, and this hour alone decides whether a day has footage, also by the minute of that hour.
 */
export function calendar(scope: Scope, app: App, cameras: readonly string[], o: CalendarOptions): Calendar {
  const { api, settings, clock } = app;
  let instant = o.time() ?? clock.now(); // any instant of the shown month
  let turned = false; // the viewer chose the month; else it is that of the picture
  let marked = new Set<string>();
  let asked = 0;
  let loaded = '';

  const month = (): { start: number; end: number; year: number; month: number } => {
    const w = wallTime(instant, settings.zone);
    const first = { ...w, day: 1, hour: 0, minute: 0, second: 0 };
    const next = w.month === 12 ? { ...first, year: w.year + 1, month: 1 } : { ...first, month: w.month + 1 };
    return {
      start: instantOf(first, settings.zone).ms, end: instantOf(next, settings.zone).ms, year: w.year, month: w.month,
    };
  };
  const days = scope.region('div', { class: 'days', role: 'group' });
  const status = scope.region('div', {});
  const step = (to: () => number, label: () => string, sign: string, disabled: () => boolean): HTMLElement =>
    scope.h('button', {
      type: 'button', 'aria-label': label, title: label, disabled,
      on: { click: () => { turned = true; instant = to(); fill(); } },
    }, sign);
  const element = scope.h('section', { class: 'card calendar' },
    scope.h('h2', {}, () => settings.t.recordedDays),
    scope.h('div', { class: 'month' },
      step(() => month().start - 1, () => settings.t.monthBefore, '‹', () => false),
      scope.h('p', { 'aria-live': 'polite' }, () => settings.t.monthName(month().year, month().month)),
      step(() => month().end, () => settings.t.monthAfter, '›', () => month().end > clock.now())),
    days.element, status.element);

  const draw = (): void => {
    const m = month();
    const now = clock.now();
    days.show((s) => {
      let shownDate = '';
      s.follow(() => { shownDate = formatDate(o.time() ?? now, settings.zone); }); // once for all days
      const cells: HTMLElement[] = settings.t.weekdays.map((_, i) => s.h('span', { class: 'weekday', 'aria-hidden': 'true' }, () => settings.t.weekdays[i] ?? ''));
      // Weeks begin on Monday; the day of the week of a date does not depend on the zone.
      const lead = (new Date(Date.UTC(m.year, m.month - 1, 1)).getUTCDay() + 6) % 7;
      for (let i = 0; i < lead; i++) {
        cells.push(s.h('span', {}));
      }
      for (let at = m.start; at < m.end; at = dayOf(at, settings.zone).end) {
        const start = at;
        const date = formatDate(start, settings.zone);
        const has = marked.has(date);
        const { year, month: number, day } = wallTime(start, settings.zone);
        const name = (): string => settings.t.dayName(year, number, day);
        cells.push(s.h('button', {
          type: 'button', class: has ? 'day has' : 'day', disabled: start > now,
          'aria-label': () => (has ? settings.t.dayWithFootage(name()) : name()),
          'aria-current': () => (shownDate === date ? 'date' : undefined),
          on: { click: () => { turned = false; o.choose(start); } },
        }, String(day)));
      }
      return cells;
    });
  };

  type Answer = { camera: string; ranges: readonly Range[] };
  const settled = new Map<string, readonly Range[]>(); // what hours that are over said
  const byMinute = async (camera: string, at: number): Promise<Result<Answer>> => {
    const known = settled.get(`${camera} ${at}`);
    if (known !== undefined) {
      return { kind: 'ok', value: { camera, ranges: known } };
    }
    const reply = await recorded(camera, at, Math.min(at + hour, clock.now()), 'minute');
    if (reply.kind === 'ok' && at + hour + renewMs < clock.now()) {
      settled.set(`${camera} ${at}`, reply.value.ranges);
    }
    return reply;
  };
  /** recorded asks for ranges: that a camera has nothing, or is not known, is an answer. */
  const recorded = async (camera: string, start: number, end: number, resolution: Resolution): Promise<Result<Answer>> => {
    const reply = await api.coverage(camera, start, end, scope.signal, resolution);
    if (reply.kind === 'error' && reply.reason === 'notFound') {
      return { kind: 'ok', value: { camera, ranges: [] } };
    }
    return reply.kind === 'ok' ? { kind: 'ok', value: { camera, ranges: reply.value.ranges } } : reply;
  };
  /** all asks for several things, few at a time; undefined when one of them failed, which is said, or was called off. */
  const all = async (mine: number, questions: readonly (() => Promise<Result<Answer>>)[]): Promise<Answer[] | undefined> => {
    const found: Answer[] = [];
    for (let i = 0; i < questions.length; i += atOnce) {
      for (const reply of await Promise.all(questions.slice(i, i + atOnce).map((ask) => ask()))) {
        if (mine !== asked || reply.kind === 'aborted') {
          return undefined;
        }
        if (reply.kind === 'error') {
          status.show((s) => [errorBox(s, settings, () => settings.t.rangesFailed, reply, () => void load())]);
          return undefined;
        }
        found.push(reply.value);
      }
    }
    return found;
  };
  const load = async (): Promise<void> => {
    const mine = ++asked;
    const m = month();
    const end = Math.min(m.end, clock.now());
    const key = `${m.year}-${m.month} ${settings.zone}`;
    if (key !== loaded) {
      loaded = key;
      marked = new Set();
      draw();
    }
    if (end <= m.start) {
      return;
    }
    const byHour = await all(mine, cameras.map((camera) => () => recorded(camera, m.start, end, 'hour')));
    if (byHour === undefined) {
      return;
    }
    const days: Day[] = [];
    for (let at = m.start; at < end;) {
      const day = dayOf(at, settings.zone);
      days.push({ ...day, date: formatDate(at, settings.zone) });
      at = day.end;
    }
    const { sure: found, open } = knownDays(days, byHour.flatMap((c) => c.ranges));
    const close = await all(mine, open.flatMap((at) => byHour
      .filter((c) => c.ranges.some((r) => r.start < at + hour && r.end > at))
      .map(({ camera }) => () => byMinute(camera, at))));
    if (close === undefined) {
      return;
    }
    daysIn(days, close.flatMap((c) => c.ranges)).forEach((d) => found.add(d));
    status.show(() => []);
    if (found.size !== marked.size || [...found].some((d) => !marked.has(d))) { // else what has the focus keeps it
      marked = found;
      draw();
    }
  };
  const fill = (): void => {
    void load();
    scope.refresh();
  };
  scope.follow(() => {
    const shown = o.time();
    if (!turned && shown !== undefined) {
      instant = shown;
    }
    const m = month();
    if (loaded !== '' && loaded !== `${m.year}-${m.month} ${settings.zone}`) {
      void load();
    }
  });
  void load();
  scope.every(renewMs, () => {
    if (!document.hidden) {
      void load();
    }
  });
  app.connection.onBack(() => void load(), scope.signal);
  return { element };
}
