// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Scope } from '../dom';
import { linkSpan, type Route } from '../route';
import { inputValue, instantOf, parseInputValue } from '../time';

const minute = 60_000;
const hour = 60 * minute;
const lengths = [minute, 10 * minute, hour, 6 * hour, 24 * hour];

export interface TimeForm {
  element: HTMLElement;
  /** propose fills the start in, unless the viewer has typed one. */
  propose: (start: number) => void;
}

/** timeForm asks for a start and an end or a length, in the zone that the page shows. */
export function timeForm(scope: Scope, app: App, route: Route & { view: 'play' }): TimeForm {
  const { settings, clock } = app;
  const error = scope.h('p', { class: 'field-error', role: 'alert' });
  let problem: (() => string) | undefined;
  scope.follow(() => {
    error.textContent = problem?.() ?? '';
    error.hidden = problem === undefined;
  });

  // What the fields mean is kept as instants: a change of the zone shows the same instant anew.
  let start = route.start;
  let end = typeof route.end === 'number' ? route.end : undefined;
  let typed = route.start !== undefined;

  const read = (text: string): number | undefined => {
    const wall = parseInputValue(text);
    if (wall === undefined) {
      problem = () => settings.t.needStart;
      return undefined;
    }
    const instant = instantOf(wall, settings.zone);
    problem = instant.kind === 'skipped' ? () => settings.t.timeSkipped : undefined;
    return instant.ms;
  };
  const field = (id: string, on: (value: string) => void): HTMLInputElement => scope.h('input', {
    id, type: 'datetime-local', step: 1, required: true, on: { change: (_, e) => on(e.value) },
  });
  const startField = field('start', (v) => {
    start = read(v);
    typed = true;
    scope.refresh();
  });
  const endField = field('end', (v) => {
    end = read(v);
    scope.refresh();
  });
  let zoneShown = settings.zone;
  const show = (): void => {
    startField.value = start === undefined ? '' : inputValue(start, settings.zone);
    endField.value = end === undefined ? '' : inputValue(end, settings.zone);
  };
  scope.follow(() => {
    if (zoneShown !== settings.zone) {
      zoneShown = settings.zone;
      show();
    }
  });

  const length = scope.h('select', { id: 'length', on: { change: () => choose() } },
    ...lengths.map((ms) => scope.h('option', { value: ms },
      () => (ms < hour ? settings.t.minutes(ms / minute) : settings.t.hours(ms / hour)))),
    scope.h('option', { value: 'until' }, () => settings.t.untilTime),
    scope.h('option', { value: 'open' }, () => settings.t.intoLive));
  const untilRow = scope.h('p', { class: 'field' }, scope.h('label', { for: 'end' }, () => settings.t.until), endField);
  const choose = (): void => {
    const custom = length.value === 'until';
    untilRow.hidden = !custom;
    endField.disabled = !custom;
    if (custom && end === undefined && start !== undefined) {
      end = start + 10 * minute;
      show();
    }
  };
  const given = route.end === 'open' ? 'open'
    : route.start === undefined ? String(10 * minute) : String((route.end ?? route.start + linkSpan) - route.start);
  length.value = [...length.options].some((o) => o.value === given) ? given : 'until';
  choose();
  show();

  const submit = (event: Event): void => {
    event.preventDefault();
    const from = read(startField.value);
    let until: number | 'open' | undefined;
    if (length.value === 'open') {
      until = 'open';
    } else if (length.value !== 'until') {
      until = from === undefined ? undefined : from + Number(length.value);
    } else if (from !== undefined) {
      const to = parseInputValue(endField.value);
      until = to === undefined ? undefined : instantOf(to, settings.zone).ms;
    }
    if (from !== undefined && problem === undefined) {
      if (from > clock.now()) {
        problem = () => settings.t.inFuture;
      } else if (until === undefined || (until !== 'open' && until <= from)) {
        problem = () => settings.t.needEnd;
      } else {
        app.navigate({ view: 'play', camera: route.camera, start: from, end: until });
      }
    }
    scope.refresh();
  };
  const element = scope.h('form', { class: 'card', novalidate: true, on: { submit } },
    scope.h('h2', {}, () => settings.t.chooseTime),
    scope.h('p', { class: 'field' },
      scope.h('label', { for: 'start' }, () => settings.t.from), startField),
    scope.h('p', { class: 'field' }, scope.h('label', { for: 'length' }, () => settings.t.length), length),
    untilRow,
    scope.h('p', { class: 'detail' }, () => settings.t.timesIn(settings.zoneLabel(start ?? clock.now()))),
    error,
    scope.h('button', { type: 'submit', class: 'primary wide' }, () => settings.t.play));
  return {
    element,
    propose: (ms) => {
      if (!typed) {
        start = ms;
        show();
        choose();
        scope.refresh();
      }
    },
  };
}
