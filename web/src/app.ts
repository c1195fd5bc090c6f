// SPDX-License-Identifier: Apache-2.0

import type { API } from './api';
import type { ServerClock } from './clock';
import type { Connection } from './connection';
import type { Scope } from './dom';
import type { Route } from './route';
import type { Settings } from './settings';
import type { Shortcut } from './views/shortcuts';

/** What every view works with. */
export interface App {
  api: API;
  clock: ServerClock;
  settings: Settings;
  connection: Connection;
  /** whether the API makes clips */
  clips: boolean;
  navigate: (route: Route) => void;
}

/** A page that is shown. Disposing of its scope ends its requests, timers and player. */
export interface View {
  element: HTMLElement;
  scope: Scope;
  title: () => string;
  /** what keys do here */
  shortcuts?: readonly Shortcut[];
}
