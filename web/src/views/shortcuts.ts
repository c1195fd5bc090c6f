// SPDX-License-Identifier: Apache-2.0

import type { Settings } from '../settings';
import { dialog, dialogOpen } from './dialog';

/** One thing that keys do. */
export interface Shortcut {
  /** as KeyboardEvent.key names them, letters small, "Shift+" before those that are not characters */
  keys: readonly string[];
  label: () => string;
  /** undefined: the timeline does it, while it has the focus */
  run?: () => void;
}

const names: Readonly<Record<string, string>> = {
  ' ': '␣', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', PageUp: 'Page ↑', PageDown: 'Page ↓',
};

/** keyName is how a key stands in the list. */
export function keyName(key: string): string {
  return key.length === 1
    ? names[key] ?? key.toUpperCase()
    : key.split('+').map((k) => names[k] ?? k).join(' ');
}

/** pressedName is the name that a Shortcut has for what was pressed. */
export function pressedName(e: Pick<KeyboardEvent, 'key' | 'shiftKey'>): string {
  return e.key.length === 1 ? e.key.toLowerCase() : `${e.shiftKey ? 'Shift+' : ''}${e.key}`;
}

/**
 * listenForKeys runs the shortcuts that current returns, anywhere on the page but where keys mean something else, and shows the list
 * of them on "?".
 */
export function listenForKeys(settings: Settings, current: () => readonly Shortcut[]): void {
  document.addEventListener('keydown', (e) => {
    const target = e.target instanceof HTMLElement ? e.target : undefined;
    const typing = target?.closest('input, select, textarea, [role=menu], .vjs-volume-control, .vjs-volume-bar') != null;
    if (typing || e.altKey || e.ctrlKey || e.metaKey || e.defaultPrevented || dialogOpen()) {
      return;
    }
    if (e.key === '?') {
      e.preventDefault();
      showShortcuts(settings, current());
      return;
    }
    if ((e.key === ' ' || e.key === 'Enter') && target?.closest('button, a, summary') != null) {
      return; // that presses what has the focus
    }
    const name = pressedName(e);
    const found = current().find((s) => s.run !== undefined && s.keys.includes(name));
    if (found?.run !== undefined) {
      e.preventDefault();
      found.run();
    }
  });
}

/** showShortcuts lists them in a dialog. */
export function showShortcuts(settings: Settings, list: readonly Shortcut[]): void {
  dialog(settings, () => settings.t.shortcuts, (s) => {
    const row = (keys: readonly string[], label: () => string): HTMLElement => s.h('div', {},
      s.h('dt', {}, ...keys.flatMap((k, i) => [i > 0 && ' ', s.h('kbd', {}, keyName(k))])), s.h('dd', {}, label));
    const global = list.filter((x) => x.run !== undefined);
    const focused = list.filter((x) => x.run === undefined);
    return [
      s.h('dl', { class: 'keys' }, ...global.map((x) => row(x.keys, x.label)), row(['?'], () => settings.t.shortcuts)),
      ...(focused.length === 0 ? [] : [
        s.h('h3', {}, () => settings.t.onTimeline),
        s.h('dl', { class: 'keys' }, ...focused.map((x) => row(x.keys, x.label))),
      ]),
    ];
  });
}
