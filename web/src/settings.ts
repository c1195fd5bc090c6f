// SPDX-License-Identifier: Apache-2.0

/** What a viewer chose, kept in this browser. */

import { en } from './i18n/en';
import { zh } from './i18n/zh';
import type { Messages } from './i18n/messages';
import { formatOffset, isZone } from './time';

export type Language = 'en' | 'zh';
export type Theme = 'auto' | 'light' | 'dark';
/** 'browser': where the viewer is; 'camera': where the camera is, as far as config.json says; 'utc'; or an IANA name. */
export type ZoneChoice = string;

/** Where the cameras are: IANA names, of single cameras and of all others. */
export interface CameraZones {
  zone: string | undefined;
  zones: ReadonlyMap<string, string>;
}

const keys = { language: 's3cam.language', zone: 's3cam.zone', theme: 's3cam.theme' };

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
  #theme: Theme;
  #camera: string | undefined;
  #cameraZones: CameraZones = { zone: undefined, zones: new Map() };
  readonly #listeners = new Set<() => void>();
  readonly #browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

  constructor(languages: readonly string[]) {
    const stored = read(keys.language);
    const preferred = languages.map((l) => l.toLowerCase().split('-')[0]).find((l) => l === 'zh' || l === 'en');
    this.#language = stored === 'en' || stored === 'zh' ? stored : preferred === 'zh' ? 'zh' : 'en';
    const zone = read(keys.zone) ?? 'browser';
    this.#zone = ['browser', 'camera', 'utc'].includes(zone) || isZone(zone) ? zone : 'browser';
    const theme = read(keys.theme);
    this.#theme = theme === 'light' || theme === 'dark' ? theme : 'auto';
  }

  get language(): Language {
    return this.#language;
  }

  set language(l: Language) {
    this.#language = l;
    write(keys.language, l);
    this.#changed();
  }

  get theme(): Theme {
    return this.#theme;
  }

  set theme(t: Theme) {
    this.#theme = t;
    write(keys.theme, t);
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

  /** cameraZones are what config.json says; names that this browser does not know are left out. */
  set cameraZones(z: CameraZones) {
    this.#cameraZones = {
      zone: z.zone !== undefined && isZone(z.zone) ? z.zone : undefined,
      zones: new Map([...z.zones].filter(([, zone]) => isZone(zone))),
    };
  }

  /** knowsCameraZones tells whether it is known of any camera where it is. */
  get knowsCameraZones(): boolean {
    return this.#cameraZones.zone !== undefined || this.#cameraZones.zones.size > 0;
  }

  /** camera is the one that is looked at: whose zone "camera" means. */
  set camera(id: string | undefined) {
    this.#camera = id;
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
    return this.zoneOf(this.#zone);
  }

  /** zoneOf is the zone that a choice stands for now. Of a camera about which nothing is known: the browser's. */
  zoneOf(choice: ZoneChoice): string {
    switch (choice) {
      case 'browser':
        return this.#browserZone;
      case 'utc':
        return 'UTC';
      case 'camera':
        return (this.#camera === undefined ? undefined : this.#cameraZones.zones.get(this.#camera))
          ?? this.#cameraZones.zone ?? this.#browserZone;
      default:
        return choice;
    }
  }

  /** zoneLabel names the zone beside a time: "UTC" or "Asia/Shanghai, UTC+08:00". */
  zoneLabel(ms: number): string {
    const zone = this.zone;
    const offset = formatOffset(ms, zone);
    return zone === offset ? offset : `${zone}, ${offset}`;
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
