// SPDX-License-Identifier: Apache-2.0

import type { App, View } from '../app';
import { Scope } from '../dom';
import type { Moment } from '../player/watch';
import { formatRoute, type Route } from '../route';
import { formatDateTime, formatSpan } from '../time';
import { nextFootage, previousFootage } from '../timeline/find-footage';
import { Footage } from '../timeline/footage';
import { dayScale, spanOf } from '../timeline/scale';
import { timeline } from '../timeline/timeline';
import { calendar } from './calendar';
import { clipPanel } from './clip-panel';
import { icon, type Icon } from './icons';
import { previewBox } from './preview';
import { stage } from './stage';

const addressMs = 3_000; // how often the address follows the picture
const second = 1000;

/** One camera at any moment: live, or back in time along the timeline. */
export function cameraView(app: App, route: Route & { view: 'live' | 'play' }): View {
  const { settings, api, clock } = app;
  const { camera } = route;
  const scope = new Scope();
  const at = route.view === 'live' ? 'live' : route.start === undefined ? 'newest' : Math.min(route.start, clock.now());
  const until = route.view === 'play' && typeof route.end === 'number' ? route.end : undefined;

  const footage = new Footage(api, camera, () => clock.now(), scope.signal);
  const box = stage(scope, app, { camera, at, until }, {
    recordedAt: (ms) => footage.recordedAt(ms),
    crossGaps: true,
    atEnd: until === undefined ? [] : [{ label: () => settings.t.goOn, click: () => seek(until), primary: true }],
    noFootage: [
      { label: () => settings.t.previousFootage, click: () => void toGap(-1) },
      { label: () => settings.t.nextFootage, click: () => void toGap(1) },
      { label: () => settings.t.goLive, click: () => seek('live'), primary: true },
    ],
  });
  const live = (): boolean => box.watch()?.live ?? at === 'live';
  const time = (): number | undefined => box.watch()?.time ?? (typeof at === 'number' ? at : undefined);
  const seek = (to: Moment): void => {
    notice.textContent = '';
    box.watch()?.seek(to);
    if (typeof to === 'number') {
      bar.reveal(to);
    }
    address();
    scope.refresh();
  };

  /** toGap goes to where the recording begins anew (1), or to shortly before it last broke off (-1). */
  const toGap = async (direction: 1 | -1): Promise<void> => {
    const here = time() ?? clock.now();
    const now = clock.now();
    if (direction < 0) {
      const current = await previousFootage(api, camera, here, scope.signal);
      if (current === undefined) {
        notice.textContent = settings.t.noFootageBefore;
        return;
      }
      if (here > current.end + second && current.end - current.start > 60 * second) {
        seek(current.end - 10 * second); // from a gap to the last that was recorded before it
      } else if (here - current.start > 10 * second) {
        seek(current.start); // inside a recording to its begin first, like the button of any player
      } else {
        seek((await previousFootage(api, camera, current.start - 1, scope.signal))?.start ?? current.start);
      }
      return;
    }
    const current = await previousFootage(api, camera, here + second, scope.signal);
    const from = current !== undefined && current.end > here ? await endOf(current.end) : here;
    const next = await nextFootage(api, camera, from + 1, now, scope.signal);
    if (next === undefined) {
      seek('live');
    } else {
      seek(next);
    }
  };
  /** endOf follows a recording to where it breaks off. */
  const endOf = async (from: number): Promise<number> => {
    let end = from;
    for (let tries = 0; tries < 200 && end < clock.now(); tries++) {
      const reply = await api.coverage(camera, end, Math.min(end + 6 * 3600 * second, clock.now()), scope.signal);
      const range = reply.kind === 'ok' ? reply.value.ranges.find((r) => r.end > end) : undefined;
      if (range === undefined || range.start > end + 1500) {
        return end;
      }
      end = range.end;
    }
    return end;
  };

  const tool = (name: Icon, label: () => string, click: () => void, hidden?: () => boolean): HTMLButtonElement =>
    scope.h('button', { type: 'button', class: 'tool', title: label, 'aria-label': label, hidden, on: { click } }, icon(name));
  const playing = (): boolean => box.watch()?.player.paused === false;
  const toggle = (): void => {
    const player = box.watch()?.player;
    if (player?.paused === true) {
      player.play();
    } else {
      player?.pause();
    }
    scope.refresh();
  };
  const play = scope.h('button', {
    type: 'button', class: 'tool play', title: () => (playing() ? settings.t.pause : settings.t.play),
    'aria-label': () => (playing() ? settings.t.pause : settings.t.play), on: { click: toggle },
  });
  let drawn: Icon | undefined;
  scope.follow(() => {
    const name: Icon = playing() ? 'pause' : 'play';
    if (name !== drawn) {
      drawn = name;
      play.replaceChildren(icon(name));
    }
  });
  const skip = (ms: number): void => {
    const watch = box.watch();
    watch?.skip(ms);
    const to = watch?.time;
    if (to !== undefined && !live()) {
      bar.reveal(to);
    }
    address();
  };
  const step = (n: number): void => {
    if (live()) {
      skip(-liveStepBack); // live cannot be stepped through: the recording of just now can
      return;
    }
    box.watch()?.player.step(n, 25);
  };
  const rate = scope.h('select', {
    class: 'rate', 'aria-label': () => settings.t.speed, disabled: () => live(),
    on: { change: (_, e) => setRate(Number(e.value)) },
  }, ...[0.5, 1, 2, 4, 8, 16].map((r) => scope.h('option', { value: r }, `${r}×`)));
  rate.value = '1';
  const setRate = (r: number): void => {
    const player = box.watch()?.player;
    if (player !== undefined) {
      player.rate = r;
    }
    rate.value = String(r);
  };
  const onAir = (): boolean => live() && box.watch()?.player.behind() !== true && box.status().kind === 'playing';
  const goLive = scope.h('button', {
    type: 'button', class: () => (onAir() ? 'live-button on' : 'live-button'), 'aria-pressed': () => (onAir() ? 'true' : 'false'),
    on: { click: () => { setRate(1); seek('live'); } },
  }, () => settings.t.live);

  const clip = clipPanel(scope, app, camera, { time, video: () => box.watch()?.player.video });
  const preview = previewBox(scope, app, camera, (ms) => footage.recordedAt(ms) === true);
  const bar = timeline(scope, app, {
    footage: [footage], time, live, marks: clip.marks, onSeek: (ms) => seek(ms),
    onPoint: (p) => preview.point(p === undefined ? undefined : { ...p, scale: bar.scale(), width: bar.element.clientWidth }),
  });
  const days = calendar(scope, app, camera, {
    time, choose: (ms) => {
      bar.show(dayScale(ms, settings.zone));
      void nextFootage(api, camera, ms, clock.now(), scope.signal).then((found) => seek(found ?? ms));
    },
  });

  const picture = (): string => {
    const ms = time();
    return ms === undefined ? '–' : `${formatDateTime(ms, settings.zone)} (${settings.zoneLabel(ms)})`;
  };
  const latency = (): string => {
    const seconds = live() && box.status().kind === 'playing' ? box.watch()?.player.latency() : undefined;
    return seconds === undefined ? '' : settings.t.behind(Math.max(0, seconds).toFixed(1));
  };
  const notice = scope.h('p', { class: 'detail', role: 'status' });
  if (route.view === 'play' && route.start !== undefined && route.start > clock.now()) {
    notice.textContent = settings.t.inFuture;
  }
  const failed = scope.h('p', { class: 'stale', role: 'alert', hidden: true }, () => settings.t.rangesFailed, ' ',
    scope.h('button', { type: 'button', class: 'link', on: { click: () => footage.retry() } }, () => settings.t.retry));
  footage.onChange(() => { failed.hidden = footage.view(bar.scale()).error === undefined; });

  const spans = scope.h('div', { class: 'zoom', role: 'group', 'aria-label': () => settings.t.zoom },
    tool('zoomOut', () => settings.t.zoomOut, () => bar.zoomBy(2)),
    scope.h('span', { class: 'span' }, () => formatSpan(spanOf(bar.scale()))),
    tool('zoomIn', () => settings.t.zoomIn, () => bar.zoomBy(0.5)));

  const element = scope.h('div', { class: 'camera-view' },
    scope.h('nav', {}, scope.h('a', { href: formatRoute({ view: 'cameras' }) }, () => `← ${settings.t.back}`)),
    scope.h('div', { class: 'heading' },
      scope.h('h1', { dir: 'auto' }, camera),
      scope.h('span', { class: () => (live() ? 'badge live' : 'badge') }, () => (live() ? settings.t.live : settings.t.replay)),
      scope.h('span', { class: 'picture-time' }, picture),
      scope.h('span', { class: 'latency' }, latency)),
    box.element,
    scope.h('div', { class: 'transport', role: 'toolbar', 'aria-label': () => settings.t.controls },
      tool('gapBack', () => settings.t.previousFootage, () => void toGap(-1)),
      scope.h('button', { type: 'button', class: 'tool text', title: () => settings.t.tenBack, 'aria-label': () => settings.t.tenBack, on: { click: () => skip(-10 * second) } }, '−10'),
      tool('stepBack', () => settings.t.frameBack, () => step(-1)),
      play,
      tool('stepOn', () => settings.t.frameOn, () => step(1)),
      scope.h('button', { type: 'button', class: 'tool text', title: () => settings.t.tenOn, 'aria-label': () => settings.t.tenOn, on: { click: () => skip(10 * second) } }, '+10'),
      tool('gapOn', () => settings.t.nextFootage, () => void toGap(1)),
      rate, goLive, scope.h('span', { class: 'spacer' }), ...clip.tools, spans),
    scope.h('div', { class: 'bar' }, preview.element, bar.element),
    failed, notice,
    scope.h('div', { class: 'below' }, clip.element, days.element));

  /** address keeps the link to what is shown in the address bar, so that it can be copied, kept and opened again. */
  const address = (): void => {
    const ms = live() ? undefined : time();
    const hash = formatRoute(ms === undefined
      ? { view: 'live', camera }
      : { view: 'play', camera, start: Math.floor(ms / second) * second, ...(until !== undefined && ms < until ? { end: until } : {}) });
    if (hash !== location.hash && box.watch() !== undefined) {
      history.replaceState(null, '', hash);
    }
  };
  scope.every(addressMs, address);
  scope.every(250, () => scope.refresh());
  shortcuts();
  return { element, scope, title: () => `${camera} · ${live() ? settings.t.live : settings.t.replay}` };

  /** shortcuts work anywhere on the page but where keys mean something else. */
  function shortcuts(): void {
    document.addEventListener('keydown', (e) => {
      const target = e.target instanceof HTMLElement ? e.target : undefined;
      const typing = target?.closest('input, select, textarea, [role=menu], .vjs-volume-control, .vjs-volume-bar') != null;
      if (typing || e.altKey || e.ctrlKey || e.metaKey || e.defaultPrevented) {
        return;
      }
      const pressed = target?.closest('button, a, summary') != null;
      switch (e.key) {
        case ' ':
          if (pressed) {
            return;
          }
          toggle();
          break;
        case 'ArrowLeft':
          skip(e.shiftKey ? -60 * second : -10 * second);
          break;
        case 'ArrowRight':
          skip(e.shiftKey ? 60 * second : 10 * second);
          break;
        case ',':
          step(-1);
          break;
        case '.':
          step(1);
          break;
        case 'l':
          setRate(1);
          seek('live');
          break;
        case 'i':
          clip.mark('from');
          break;
        case 'o':
          clip.mark('to');
          break;
        default:
          return;
      }
      e.preventDefault();
    }, { signal: scope.signal });
  }
}

const liveStepBack = 10 * second;
