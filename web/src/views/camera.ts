// SPDX-License-Identifier: Apache-2.0

import type { App, View } from '../app';
import { Scope } from '../dom';
import type { Moment } from '../player/watch';
import { formatRoute, type Route, setAddress } from '../route';
import { formatDateTime } from '../time';
import { nextFootage } from '../timeline/find-footage';
import { Footage } from '../timeline/footage';
import { jumpBack, jumpOn } from '../timeline/jump';
import { dayScale, shortest } from '../timeline/scale';
import { timeline } from '../timeline/timeline';
import { calendar } from './calendar';
import { clipPanel } from './clip-panel';
import { previewBox } from './preview';
import { instant } from './share-link';
import type { Shortcut } from './shortcuts';
import { stage } from './stage';
import { type Playback, transport } from './transport';

const second = 1000;
const addressMs = 3 * second; // how often the address follows the picture
const liveStepBack = 10 * second;
const rates = [0.5, 1, 2, 4, 8, 16];

/** One camera at any moment: live, or back in time along the timeline. */
export function cameraView(app: App, route: Route & { view: 'live' | 'play' }): View {
  const { settings, api, clock } = app;
  const { camera } = route;
  const scope = new Scope();
  // A link may be for a piece of the recording only: then there is nothing else, and nothing live.
  const only = app.viewer.rangeOf(camera);
  const inside = (ms: number): number => (only === undefined ? ms : Math.min(Math.max(ms, only.start), only.end - second));
  const asked = route.view === 'live' ? 'live' : route.start === undefined ? 'newest' : Math.min(route.start, clock.now());
  const at = only === undefined ? asked : typeof asked === 'number' ? inside(asked) : only.start;
  const end = route.view === 'play' && typeof route.end === 'number' ? route.end : undefined;
  const until = only === undefined ? end : Math.min(end ?? only.end, only.end);
  let say: () => string = () => '';

  const footage = new Footage(api, camera, () => clock.now(), scope.signal);
  app.connection.onBack(() => footage.retry(), scope.signal);
  const box = stage(scope, app, { camera, at, until }, {
    recordedAt: (ms) => footage.recordedAt(ms),
    crossGaps: true,
    atEnd: until === undefined || (only !== undefined && until >= only.end) ? [] : [{ label: () => settings.t.goOn, click: () => seek(until), primary: true }],
    noFootage: [
      { label: () => settings.t.previousFootage, click: () => void gap(-1) },
      { label: () => settings.t.nextFootage, click: () => void gap(1) },
      ...(only === undefined ? [{ label: () => settings.t.goLive, click: () => seek('live'), primary: true }] : []),
    ],
    onStatus: (status) => {
      if (status.kind === 'failed' && status.reason === 'denied') {
        setTimeout(() => { // the player is at work just now
          if (!scope.signal.aborted) {
            app.deny(camera);
          }
        });
      }
    },
  });
  const { live, time } = box;
  let wish = 0; // counts seeks: what is found for an older one is no longer wanted
  const seek = (wanted: Moment): void => {
    const to = typeof wanted === 'number' ? inside(wanted) : only === undefined ? wanted : only.end - second;
    wish++;
    say = () => '';
    box.seek(to);
    if (typeof to === 'number') {
      bar.reveal(to);
    }
    bar.announce();
    address();
    scope.refresh();
  };
  /** find looks for a moment and shows it, unless the viewer chose another one meanwhile. */
  const find = async (looking: Promise<number | undefined>, otherwise: () => void): Promise<void> => {
    const mine = ++wish;
    const found = await looking;
    if (mine !== wish || scope.signal.aborted) {
      return;
    }
    if (found === undefined) {
      otherwise();
      scope.refresh();
    } else {
      seek(found);
    }
  };
  const gap = (direction: 1 | -1): Promise<void> => {
    const now = clock.now();
    const here = time() ?? now;
    return direction < 0
      ? find(jumpBack(api, camera, here, scope.signal), () => { say = () => settings.t.noFootageBefore; })
      : find(jumpOn(api, camera, here, now, scope.signal), () => {
        if (only === undefined) {
          seek('live');
        } else {
          say = () => settings.t.noFootageAfter;
        }
      });
  };
  const setRate = (r: number): void => {
    const player = box.watch()?.player;
    if (player !== undefined) {
      player.rate = r;
    }
    row.rate(r);
  };

  const playback: Playback = {
    playing: () => box.watch()?.player.paused === false,
    toggle: () => {
      const player = box.watch()?.player;
      if (player?.paused === true) {
        player.play();
      } else {
        player?.pause();
      }
    },
    live,
    canLive: only === undefined,
    onAir: () => live() && box.watch()?.player.behind() !== true && box.status().kind === 'playing',
    goLive: () => {
      setRate(1);
      seek('live');
    },
    skip: (ms) => {
      wish++;
      say = () => '';
      const watch = box.watch();
      const from = time();
      if (watch !== undefined) {
        watch.skip(ms);
      } else if (from !== undefined) {
        box.seek(from + ms);
      }
      const to = time();
      if (to !== undefined && !live()) {
        bar.reveal(to);
      }
      bar.announce();
      address();
    },
    rates,
    setRate,
    step: (n) => {
      if (live()) {
        playback.skip(-liveStepBack); // live cannot be stepped through: the recording of just now can
      } else {
        box.watch()?.player.step(n);
      }
      bar.announce();
    },
    gap: (direction) => void gap(direction),
  };

  const clip = clipPanel(scope, app, camera, { time, live, video: () => box.watch()?.player.video });
  const preview = previewBox(scope, app, camera, footage, () => ['connecting', 'buffering'].includes(box.status().kind));
  const bar = timeline(scope, app, {
    footage: [footage], time, live, marks: clip.marks, onSeek: (ms) => seek(ms),
    onPoint: (p) => preview.point(p === undefined ? undefined : { ...p, scale: bar.scale(), width: bar.element.clientWidth }),
  });
  if (only !== undefined) {
    const margin = Math.max((only.end - only.start) / 10, (shortest - (only.end - only.start)) / 2);
    bar.show({ start: only.start - margin, end: only.end + margin });
  }
  const row = transport(scope, settings, playback, () => bar, clip.tools);
  const days = calendar(scope, app, [camera], {
    time, choose: (ms) => {
      bar.show(dayScale(ms, settings.zone));
      void find(nextFootage(api, camera, ms, clock.now(), scope.signal), () => seek(ms));
    },
  });

  if (route.view === 'play' && route.start !== undefined && route.start > clock.now()) {
    say = () => settings.t.inFuture;
  }
  const failed = scope.h('p', { class: 'stale', role: 'alert', hidden: true }, () => settings.t.rangesFailed, ' ',
    scope.h('button', { type: 'button', class: 'link', on: { click: () => footage.retry() } }, () => settings.t.retry));
  scope.follow(() => { failed.hidden = footage.error === undefined || app.connection.state !== 'ok'; }); // the rest is said above the page

  const element = scope.h('div', { class: 'camera-view' },
    scope.h('nav', { 'aria-label': () => settings.t.back },
      scope.h('a', { href: formatRoute({ view: 'cameras' }) }, () => `← ${settings.t.back}`)),
    scope.h('div', { class: 'heading' },
      scope.h('h1', { dir: 'auto' }, camera),
      scope.h('span', { class: () => (live() ? 'badge live' : 'badge') }, () => (live() ? settings.t.live : settings.t.replay)),
      scope.h('span', { class: 'picture-time' }, () => {
        const ms = time();
        return ms === undefined ? '–' : `${formatDateTime(ms, settings.zone)} (${settings.zoneLabel(ms)})`;
      }),
      scope.h('span', { class: 'latency' }, () => {
        const seconds = live() && box.status().kind === 'playing' ? box.watch()?.player.latency() : undefined;
        return seconds === undefined ? '' : settings.t.behind(Math.max(0, seconds).toFixed(1));
      })),
    box.element, row.element,
    scope.h('div', { class: 'bar' }, preview.element, bar.element),
    only !== undefined && scope.h('p', { class: 'detail' },
      () => settings.t.linkShowsRange(formatDateTime(only.start, settings.zone), instant(app, only.end))),
    failed, scope.h('p', { class: 'detail', role: 'status' }, () => say()),
    scope.h('div', { class: 'below' }, clip.element, days.element));

  /** address keeps the link to what is shown in the address bar, so that it can be copied, kept and opened again. */
  const address = (): void => {
    const ms = live() ? undefined : time();
    const hash = formatRoute(ms === undefined
      ? { view: 'live', camera }
      : { view: 'play', camera, start: Math.floor(ms / second) * second, ...(until !== undefined && ms < until ? { end: until } : {}) });
    if (hash !== location.hash && box.watch() !== undefined) {
      setAddress(hash);
    }
  };
  scope.every(addressMs, address);
  scope.every(250, () => scope.refresh());

  const shortcuts: Shortcut[] = [
    { keys: [' '], label: () => `${settings.t.play} / ${settings.t.pause}`, run: () => { playback.toggle(); scope.refresh(); } },
    { keys: ['ArrowLeft'], label: () => settings.t.tenBack, run: () => playback.skip(-10 * second) },
    { keys: ['ArrowRight'], label: () => settings.t.tenOn, run: () => playback.skip(10 * second) },
    { keys: ['Shift+ArrowLeft'], label: () => settings.t.minuteBack, run: () => playback.skip(-60 * second) },
    { keys: ['Shift+ArrowRight'], label: () => settings.t.minuteOn, run: () => playback.skip(60 * second) },
    { keys: [','], label: () => settings.t.frameBack, run: () => playback.step?.(-1) },
    { keys: ['.'], label: () => settings.t.frameOn, run: () => playback.step?.(1) },
    { keys: ['p'], label: () => settings.t.previousFootage, run: () => void gap(-1) },
    { keys: ['n'], label: () => settings.t.nextFootage, run: () => void gap(1) },
    ...(only === undefined ? [{ keys: ['l'], label: () => settings.t.goLive, run: playback.goLive }] : []),
    { keys: ['i'], label: () => settings.t.markFrom, run: () => clip.mark('from') },
    { keys: ['o'], label: () => settings.t.markTo, run: () => clip.mark('to') },
    { keys: ['s'], label: () => settings.t.snapshot, run: clip.snapshot },
    { keys: ['m'], label: () => settings.t.mute, run: () => box.watch()?.player.toggleMuted() },
    { keys: ['f'], label: () => settings.t.fullScreen, run: () => box.watch()?.player.toggleFullScreen() },
    ...bar.shortcuts,
  ];
  return { element, scope, shortcuts, title: () => `${camera} · ${live() ? settings.t.live : settings.t.replay}` };
}
