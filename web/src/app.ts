// SPDX-License-Identifier: Apache-2.0

import type { API } from './api';
import type { ServerClock } from './clock';
import type { Connection } from './connection';
import type { Scope } from './dom';
import type { Route } from './route';
import type { Settings } from './settings';
import type { Viewer } from './viewer';
import type { Shortcut } from './views/shortcuts';

/** What every view works with. */
export interface App {
  api: API;
  clock: ServerClock;
  settings: Settings;
  connection: Connection;
  viewer: Viewer;
  /** whether the server knows sessions (one elsewhere is not asked: it would not know the browser's), and has said whose this is */
  sessions: 'none' | 'asking' | 'asked';
  /** whether the API makes clips */
  clips: boolean;
  /** where to sign in; undefined: the server has no page for that */
  login: string | undefined;
  navigate: (route: Route) => void;
  /** openLink goes where a link leads that somebody pasted, or uses a token; it tells whether there was one */
  openLink: (text: string) => boolean;
  /** deny shows that the viewer may not see this */
  deny: (camera: string) => void;
  /** dropLink goes on without the link by which the page was opened */
  dropLink: () => void;
}

/** A page that is shown. Disposing of its scope ends its requests, timers and player. */
export interface View {
  element: HTMLElement;
  scope: Scope;
  title: () => string;
  /** what keys do here */
  shortcuts?: readonly Shortcut[];
}
