// SPDX-License-Identifier: Apache-2.0

/** What a viewer chose, kept in this browser. */

import { en } from './i18n/en';
import { zh } from './i18n/zh';
import type { Messages } from './i18n/messages';
import { formatOffset } from './time';

export type Language = 'en' | 'zh';
export type ZoneChoice = 'browser' | 'utc';

const keys = { language: 's3cam.language', zone: 's3cam.zone' };

/** Storage may be forbidden (private windows, policies): then choices last as long as the page. */
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // see read
  }
}

export class Settings {
  #language: Language;
  #zone: ZoneChoice;
  readonly #listeners = new Set<() => void>();
  readonly #browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

  constructor(languages: readonly string[]) {
    const stored = read(keys.language);
    const preferred = languages.map((l) => l.toLowerCase().split('-')[0]).find((l) => l === 'zh' || l === 'en');
    this.#language = stored === 'en' || stored === 'zh' ? stored : preferred === 'zh' ? 'zh' : 'en';
    this.#zone = read(keys.zone) === 'utc' ? 'utc' : 'browser';
  }

  get language(): Language {
    return this.#language;
  }

  set language(l: Language) {
    this.#language = l;
    write(keys.language, l);
    this.#changed();
  }

  get zoneChoice(): ZoneChoice {
    return this.#zone;
  }

  set zoneChoice(z: ZoneChoice) {
    this.#zone = z;
    write(keys.zone, z);
    this.#changed();
  }

  /** remembered returns what a view kept under a key (as 's3cam.wall') in this browser; remember keeps it. */
  remembered(key: string): string | null {
    return read(key);
  }

  remember(key: string, value: string): void {
    write(key, value);
  }

  /** t holds the texts of the chosen language. */
  get t(): Messages {
    return this.#language === 'zh' ? zh : en;
  }

  /** zone is the zone that times are shown and read in: an IANA name or 'UTC'. */
  get zone(): string {
    return this.#zone === 'utc' ? 'UTC' : this.#browserZone;
  }

  /** zoneLabel names the zone beside a time: "UTC" or "Asia/Shanghai, UTC+08:00". */
  zoneLabel(ms: number): string {
    return this.#zone === 'utc' ? 'UTC' : this.browserZoneLabel(ms);
  }

  /** browserOffset names the browser's zone shortly: "UTC+08:00". */
  browserOffset(ms: number): string {
    return formatOffset(ms, this.#browserZone);
  }

  browserZoneLabel(ms: number): string {
    const offset = formatOffset(ms, this.#browserZone);
    return this.#browserZone === offset ? offset : `${this.#browserZone}, ${offset}`;
  }

  onChange(f: () => void): void {
    this.#listeners.add(f);
  }

  #changed(): void {
    for (const f of this.#listeners) {
      f();
    }
  }
}
