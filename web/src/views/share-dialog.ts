// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Scope } from '../dom';
import { formatRoute, type Route, withToken } from '../route';
import { formatDateTime } from '../time';
import type { Span } from '../viewer';
import { dialog } from './dialog';
import { reasonText } from './error-box';
import { addressOf, copyField, instant } from './share-link';

const second = 1000;
const hour = 3600;
const day = 24 * hour;
const lives = [hour, day, 7 * day, 30 * day] as const;

/** What a link can be made for. */
export interface Sharing {
  camera: string;
  /** the moment that is shown; undefined: live */
  at: number | undefined;
  /** the piece that is marked, if one is */
  marked: Span | undefined;
  /** begin with the marked piece as what is shared */
  onlyMarked: boolean;
}

/** whole widens a piece to whole seconds: links and tokens have no finer ones. */
const whole = (s: Span): Span => ({ start: Math.floor(s.start / second) * second, end: Math.ceil(s.end / second) * second });

/** shareDialog makes a link to a camera, or to a marked piece of it, that others can open without a login until it expires. */
export function shareDialog(app: App, o: Sharing): void {
  const { settings, api, viewer } = app;
  const marked = o.marked === undefined ? undefined : whole(o.marked);
  const route = (range: Span | undefined): Route => (range !== undefined
    ? { view: 'play', camera: o.camera, ...range }
    : o.at === undefined ? { view: 'live', camera: o.camera } : { view: 'play', camera: o.camera, start: Math.floor(o.at / second) * second });
  const opens = (range: Span | undefined): string => {
    const at = range?.start ?? o.at;
    return at === undefined ? settings.t.shareOpensLive : settings.t.shareOpensAt(instant(app, at));
  };
  dialog(settings, () => settings.t.shareTitle(o.camera), (scope) => {
    let only = o.onlyMarked && marked !== undefined;
    let seconds: number = day;
    let clips = false;
    let busy = false;
    const open = viewer.session?.open === true;
    const body = scope.region('div', { class: 'share' });
    const chosen = (): Span | undefined => (only ? marked : undefined);

    const what = (s: Scope, change: () => void): HTMLElement => {
      const radio = (value: boolean, text: () => string, disabled = false): HTMLElement => s.h('label', { class: disabled ? 'choice off' : 'choice' },
        s.h('input', { type: 'radio', name: 'what', checked: only === value, disabled, on: { change: () => { only = value; change(); } } }),
        s.h('span', {}, text));
      return s.h('fieldset', {}, s.h('legend', {}, () => settings.t.shareWhat),
        radio(false, () => settings.t.shareCamera),
        marked === undefined
          ? radio(true, () => settings.t.shareNoRange, true)
          : radio(true, () => settings.t.shareRange(formatDateTime(marked.start, settings.zone), instant(app, marked.end))));
    };
    const plain = (s: Scope): Node[] => {
      const link = s.region('div', { class: 'share' });
      const show = (): void => link.show((in_) => [
        ...copyField(in_, app, addressOf(formatRoute(route(chosen())))), in_.h('p', { class: 'detail' }, () => opens(chosen()))]);
      show();
      return [s.h('p', {}, () => settings.t.shareOpen), marked !== undefined && what(s, show), link.element].filter((n) => n !== false);
    };
    const form = (s: Scope): Node[] => {
      const failed = s.h('p', { class: 'error-text', role: 'alert', hidden: true });
      const life = s.h('select', { on: { change: (_, e) => { seconds = Number(e.value); } } },
        ...lives.map((l) => s.h('option', { value: l }, () => (l < day ? settings.t.shareHour : settings.t.shareDays(l / day)))));
      life.value = String(seconds);
      const make = async (): Promise<void> => {
        if (busy) {
          return;
        }
        busy = true;
        failed.hidden = true;
        s.refresh();
        const range = chosen();
        const reply = await api.share(o.camera, seconds, clips, range, scope.signal);
        busy = false;
        if (reply.kind === 'ok') {
          const { token, key, expires } = reply.value;
          body.show((t) => [
            ...copyField(t, app, addressOf(withToken(formatRoute(route(range)), token))),
            t.h('p', {}, () => settings.t.shareUntil(instant(app, expires))),
            t.h('p', {}, () => opens(range)),
            t.h('p', { class: 'detail' }, () => settings.t.shareKey(key)),
            t.h('p', { class: 'actions' }, t.h('button', { type: 'button', on: { click: () => body.show(form) } }, () => settings.t.shareAgain)),
          ]);
          body.element.querySelector<HTMLButtonElement>('button')?.focus();
        } else if (reply.kind === 'error') {
          failed.textContent = `${settings.t.shareFailed} ${reasonText(settings, reply.reason)} (${reply.message})`;
          failed.hidden = false;
          s.refresh();
        }
      };
      return [s.h('form', { on: { submit: (e) => { e.preventDefault(); void make(); } } },
        what(s, () => s.refresh()),
        s.h('label', { class: 'field' }, () => settings.t.shareFor, life),
        s.h('label', { class: 'choice' },
          s.h('input', { type: 'checkbox', checked: clips, on: { change: (_, e) => { clips = e.checked; } } }),
          s.h('span', {}, () => settings.t.shareClips)),
        s.h('p', { class: 'detail' }, () => opens(chosen())),
        failed,
        s.h('p', { class: 'actions' }, s.h('button', { type: 'submit', class: 'primary', disabled: () => busy },
          () => (busy ? settings.t.shareMaking : settings.t.shareMake))))];
    };
    body.show(open ? plain : form);
    return [body.element];
  });
}
