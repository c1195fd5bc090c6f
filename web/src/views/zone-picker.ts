// SPDX-License-Identifier: Apache-2.0

import type { Settings } from '../settings';
import { formatOffset, isZone, zoneName } from '../time';
import { dialog } from './dialog';

/** pickZone lets the viewer choose any time zone by name. cancelled is called when the dialog is left without a choice. */
export function pickZone(settings: Settings, cancelled: () => void): void {
  dialog(settings, () => settings.t.zone, (s, close) => {
    let chosen = false;
    const wrong = s.h('p', { id: 'zone-wrong', class: 'error-text', role: 'alert', hidden: true }, () => settings.t.zoneUnknown);
    const input = s.h('input', {
      type: 'text', list: 'zones', autocomplete: 'off', spellcheck: 'false', placeholder: 'Europe/Berlin',
      'aria-label': () => settings.t.zoneName, 'aria-describedby': 'zone-wrong', on: { input: () => { wrong.hidden = true; } },
    });
    const now = Date.now();
    const list = s.h('datalist', { id: 'zones' }, ...allZones().map((z) => s.h('option', { value: z, label: formatOffset(now, z) })));
    s.onDispose(() => {
      if (!chosen) {
        cancelled();
      }
    });
    return [s.h('form', {
      method: 'dialog',
      on: {
        submit: (e) => {
          e.preventDefault();
          const name = input.value.trim().replaceAll(' ', '_');
          if (name === '' || !isZone(name)) {
            wrong.hidden = false;
            return;
          }
          chosen = true;
          settings.zoneChoice = zoneName(name);
          close();
        },
      },
    },
    s.h('p', {}, () => settings.t.zoneHint), input, list, wrong,
    s.h('p', { class: 'actions' }, s.h('button', { type: 'submit', class: 'primary' }, () => settings.t.apply)))];
  });
}

function allZones(): string[] {
  try {
    return Intl.supportedValuesOf('timeZone');
  } catch {
    return []; // an older browser: names are typed, and checked all the same
  }
}
