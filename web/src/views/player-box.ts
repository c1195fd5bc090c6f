// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Scope } from '../dom';
import type { CameraPlayer, Status } from '../player/camera-player';
import { formatDateTime } from '../time';
import { reasonText } from './error-box';

/** What to play. */
export interface Source {
  url: string;
  mode: 'live' | 'range' | 'growing';
  start?: number;
}

export interface Button {
  label: () => string;
  click: () => void;
  primary?: boolean;
}

export interface PlayerBox {
  element: HTMLElement;
  /** the player, once its code is loaded */
  player: () => CameraPlayer | undefined;
  status: () => Status;
}

/** playerBox shows a video with messages over it. atEnd are the ways to go on when a replay is over. */
export function playerBox(scope: Scope, app: App, source: Source, atEnd: readonly Button[] = []): PlayerBox {
  const { settings } = app;
  const stage = scope.h('div', { class: 'stage' });
  const overlay = scope.region('div', { class: 'overlay', role: 'status', 'aria-live': 'polite' });
  const element = scope.h('div', { class: 'player' }, stage, overlay.element);
  let player: CameraPlayer | undefined;
  let status: Status = { kind: 'connecting' };
  let kindShown = '';

  const button = (s: Scope, b: Button): HTMLElement =>
    s.h('button', { type: 'button', class: b.primary === true ? 'primary' : '', on: { click: b.click } }, b.label);
  const retry: Button = { label: () => settings.t.retry, click: () => player?.retry(), primary: true };

  const message = (s: Scope, title: (() => string) | undefined, text: () => string, ...buttons: Button[]): Node[] => [
    s.h('div', { class: 'message' },
      title !== undefined && s.h('p', { class: 'title' }, title),
      s.h('p', {}, text),
      buttons.length > 0 && s.h('p', { class: 'actions' }, ...buttons.map((b) => button(s, b)))),
  ];
  const spinner = (s: Scope, text: () => string): Node[] => [
    s.h('div', { class: 'message quiet' }, s.h('span', { class: 'spinner', 'aria-hidden': 'true' }), s.h('p', {}, text)),
  ];

  const draw = (s: Scope): Node[] => {
    const t = (): typeof settings.t => settings.t;
    switch (status.kind) {
      case 'connecting':
        return spinner(s, () => t().connecting);
      case 'buffering':
        return spinner(s, () => t().buffering);
      case 'silent':
        return message(s, () => t().silentTitle,
          () => t().silentText(status.kind === 'silent' ? formatDateTime(status.since, settings.zone) : ''));
      case 'noVideo':
        return message(s, undefined, () => t().noVideo);
      case 'retrying': {
        const why = status.reason;
        return message(s, undefined, () => {
          const text = why === 'notFound' ? t().notSending : reasonText(settings, why);
          return status.kind === 'retrying' && why !== 'notFound' ? `${text} ${t().retryingIn(status.seconds)}` : text;
        }, ...(why === 'notFound' ? [] : [retry]));
      }
      case 'failed': {
        const { reason, message: detail } = status;
        const more = reason === 'notFound' || detail === '' ? '' : ` (${detail})`;
        return message(s, undefined, () => reasonText(settings, reason) + more, retry);
      }
      case 'ended':
        return message(s, undefined, () => t().endOfRange,
          { label: () => t().fromStart, click: () => player?.replayFromStart() }, ...atEnd);
      case 'playing':
      case 'paused':
        return [];
    }
  };
  const onStatus = (next: Status): void => {
    status = next;
    element.dataset['status'] = next.kind;
    const kind = next.kind === 'retrying' || next.kind === 'failed' ? `${next.kind} ${next.reason}` : next.kind;
    if (kind !== kindShown) {
      kindShown = kind;
      overlay.show(draw);
    }
    scope.refresh();
  };
  onStatus(status);

  const begin = async (): Promise<void> => {
    const code = await import('../player/camera-player');
    if (scope.signal.aborted) {
      return;
    }
    player = new code.CameraPlayer(stage, {
      ...source,
      language: settings.language,
      now: () => app.clock.now(),
      check: (url, signal) => app.api.check(url, signal),
      onStatus,
    });
    scope.onDispose(() => player?.dispose());
    let language = settings.language;
    scope.follow(() => {
      if (player !== undefined && language !== settings.language) {
        language = settings.language;
        player.language = language;
      }
    });
  };
  begin().catch(() => onStatus({ kind: 'failed', reason: 'offline', message: '' }));

  if (source.mode !== 'live') {
    // Left and right skip, wherever in the player the focus is, except on what uses the arrows itself.
    element.addEventListener('keydown', (e) => {
      const step = e.key === 'ArrowLeft' ? -10 : e.key === 'ArrowRight' ? 10 : 0;
      const busy = e.target instanceof HTMLElement && e.target.closest('[role=slider], [role=menu]') !== null;
      if (step !== 0 && !busy && !e.altKey && !e.ctrlKey && !e.metaKey) {
        e.preventDefault();
        player?.skip(step);
      }
    }, { signal: scope.signal });
  }
  return { element, player: () => player, status: () => status };
}
