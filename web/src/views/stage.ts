// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Scope } from '../dom';
import type { Status } from '../player/camera-player';
import type { Moment, Watch } from '../player/watch';
import { formatDateTime } from '../time';
import { reasonText } from './error-box';

/** What to show at first. */
export interface Showing {
  camera: string;
  at: Moment | 'newest';
  until: number | undefined;
}

export interface Button {
  label: () => string;
  click: () => void;
  primary?: boolean;
}

export interface Stage {
  element: HTMLElement;
  /** the player, once its code is loaded */
  watch: () => Watch | undefined;
  status: () => Status;
  /** what is to be shown may be chosen before that: then it begins there */
  seek: (to: Moment) => void;
  time: () => number | undefined;
  live: () => boolean;
}

export interface StageOptions {
  /** ways to go on when a replay is over */
  atEnd?: readonly Button[];
  /** ways out when there is no footage */
  noFootage?: readonly Button[];
  onStatus?: (status: Status) => void;
  /** one of many pictures: silent, without buttons, and its messages are short */
  tile?: boolean;
  /** what the page knows of a moment; see WatchOptions */
  recordedAt?: (ms: number) => boolean | undefined;
  /** whether a moment without footage leads to the next one with some */
  crossGaps?: boolean;
}

const slowMs = 8_000; // of waiting, until the page says that this is not normal

/** stage shows one camera's picture with messages over it. */
export function stage(scope: Scope, app: App, showing: Showing, o: StageOptions = {}): Stage {
  const { settings } = app;
  const place = scope.h('div', { class: 'stage' });
  // A screen reader says what lasts; not each short wait, not the countdown, and nothing of one picture among many.
  const overlay = scope.region('div', { class: 'overlay', role: o.tile === true ? undefined : 'status' });
  const element = scope.h('div', { class: 'player' }, place, overlay.element);
  let watch: Watch | undefined;
  let first = showing.at;
  let status: Status = { kind: 'connecting' };
  let since = performance.now(); // when it became so
  let kindShown = '';
  const slow = (): boolean => performance.now() - since > slowMs;

  const button = (s: Scope, b: Button): HTMLElement =>
    s.h('button', { type: 'button', class: b.primary === true ? 'primary' : '', on: { click: b.click } }, b.label);
  const retry: Button = { label: () => settings.t.retry, click: () => (watch === undefined ? load() : watch.player.retry()), primary: true };

  const message = (
    s: Scope, title: (() => string) | undefined, text: () => string, buttons: readonly Button[] = [], countdown?: () => string,
  ): Node[] => [
    s.h('div', { class: 'message' },
      title !== undefined && s.h('p', { class: 'title' }, title),
      s.h('p', {}, text, countdown !== undefined && s.h('span', { 'aria-hidden': 'true' }, () => ` ${countdown()}`)),
      buttons.length > 0 && s.h('p', { class: 'actions' }, ...buttons.map((b) => button(s, b)))),
  ];
  const spinner = (s: Scope, text: () => string): Node[] => [
    s.h('div', { class: 'message quiet', 'aria-hidden': () => (slow() ? undefined : 'true') }, s.h('span', { class: 'spinner', 'aria-hidden': 'true' }), s.h('p', {}, text)),
  ];

  const draw = (s: Scope): Node[] => {
    const t = (): typeof settings.t => settings.t;
    switch (status.kind) {
      case 'connecting':
        return spinner(s, () => (slow() ? t().slow : t().connecting));
      case 'buffering':
        return spinner(s, () => (slow() ? t().slow : t().buffering));
      case 'silent':
        return message(s, () => t().silentTitle,
          () => t().silentText(status.kind === 'silent' ? formatDateTime(status.since, settings.zone) : ''));
      case 'noVideo':
        return message(s, undefined, () => t().noVideo);
      case 'retrying': {
        const why = status.reason;
        return why === 'notFound'
          ? message(s, undefined, () => t().notSending)
          : message(s, undefined, () => reasonText(settings, why), [retry],
            () => (status.kind === 'retrying' ? t().retryingIn(status.seconds) : ''));
      }
      case 'failed': {
        const { reason, message: detail } = status;
        const more = reason === 'notFound' || detail === '' ? '' : ` (${detail})`;
        const ways = reason === 'notFound' ? o.noFootage ?? [] : [retry];
        return message(s, undefined, () => reasonText(settings, reason) + more, ways);
      }
      case 'ended':
        return message(s, undefined, () => t().endOfRange,
          [{ label: () => t().fromStart, click: () => watch?.player.replayFromStart() }, ...o.atEnd ?? []]);
      case 'playing':
      case 'paused':
        return [];
    }
  };
  const onStatus = (next: Status): void => {
    since = status.kind === next.kind ? since : performance.now();
    status = next;
    element.dataset['status'] = next.kind;
    const kind = next.kind === 'retrying' || next.kind === 'failed' ? `${next.kind} ${next.reason}` : next.kind;
    if (kind !== kindShown) {
      kindShown = kind;
      overlay.show(draw);
    }
    o.onStatus?.(next);
    scope.refresh();
  };
  onStatus(status);

  const begin = async (): Promise<void> => {
    const code = await import('../player/watch');
    if (scope.signal.aborted) {
      return;
    }
    watch = new code.Watch(place, {
      ...showing,
      at: first,
      tile: o.tile === true,
      label: showing.camera,
      recordedAt: o.recordedAt ?? (() => undefined),
      crossGaps: o.crossGaps === true,
      api: app.api,
      language: settings.language,
      now: () => app.clock.now(),
      check: (url, signal) => app.api.check(url, signal),
      onStatus,
    });
    scope.onDispose(() => watch?.dispose());
    let language = settings.language;
    scope.follow(() => {
      if (watch !== undefined && language !== settings.language) {
        language = settings.language;
        watch.player.language = language;
      }
    });
  };
  const load = (): void => {
    begin().catch(() => onStatus({ kind: 'failed', reason: 'offline', message: '' }));
  };
  load();
  app.connection.onBack(() => {
    if (watch === undefined) {
      load();
    } else if (status.kind === 'retrying' || (status.kind === 'failed' && ['offline', 'server', 'expired'].includes(status.reason))) {
      watch.player.retry();
    }
  }, scope.signal);
  return {
    element,
    watch: () => watch,
    status: () => status,
    seek: (to) => {
      if (watch === undefined) {
        first = to;
      } else {
        watch.seek(to);
      }
    },
    time: () => (watch === undefined ? (typeof first === 'number' ? first : undefined) : watch.time),
    live: () => watch?.live ?? first === 'live',
  };
}
