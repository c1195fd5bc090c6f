// SPDX-License-Identifier: Apache-2.0

/** The timeline: a bar of what is recorded, to look along and to choose a moment from. */

import type { App } from '../app';
import type { Scope } from '../dom';
import { formatDateTime, formatTime } from '../time';
import { draw, height, labels, type Palette } from './draw';
import type { Footage } from './footage';
import { centre, follow, pan, type Scale, spanOf, ticks, timeAt, xOf, zoom } from './scale';
import type { Shortcut } from '../views/shortcuts';

export interface TimelineOptions {
  /** what is recorded, a row for each camera */
  footage: readonly Footage[];
  /** the moment shown; undefined when none is */
  time: () => number | undefined;
  live: () => boolean;
  marks: () => { from: number | undefined; to: number | undefined };
  /** a moment was chosen */
  onSeek: (ms: number) => void;
  /** the pointer is at a moment; undefined when it left. dragging: the button is down */
  onPoint?: (at: { ms: number; x: number; dragging: boolean } | undefined) => void;
}

export interface Timeline {
  element: HTMLElement;
  scale: () => Scale;
  show: (s: Scale) => void;
  /** reveal brings an instant into view and follows the playhead again */
  reveal: (ms: number) => void;
  zoomBy: (factor: number) => void;
  /** zoomTo shows so many milliseconds */
  zoomTo: (span: number) => void;
  /** announce tells a screen reader the moment: after somebody changed it, not while it plays */
  announce: () => void;
  /** what keys do while the bar has the focus */
  shortcuts: readonly Shortcut[];
}

const hour = 3600_000;
const moved = 4; // pixels that a pointer may move and still be a tap
const edge = 28; // pixels from an end of the bar within which dragging the playhead moves the bar
const edgeSpeed = 0.9; // of the bar's length each second, at the very end

/** timeline makes the bar. It draws once per frame at most, and only what changed needs drawing. */
export function timeline(scope: Scope, app: App, o: TimelineOptions): Timeline {
  const { settings, clock } = app;
  const begin = o.time() ?? clock.now();
  let scale: Scale = { start: begin - hour, end: begin + hour };
  scale = pan(scale, 0, clock.now());
  if (o.live() || o.time() === undefined) {
    scale = follow({ start: clock.now() - 2 * hour, end: clock.now() }, clock.now(), clock.now(), true);
  }
  let following = true;
  let hover: number | undefined;
  let scrub: number | undefined; // where the playhead is dragged to
  let frame = 0;
  let width = 0;
  let colours: Palette | undefined;

  const describe = (): string => {
    const at = scrub ?? o.time();
    if (at === undefined) {
      return settings.t.live;
    }
    const what = o.footage.every((f) => f.recordedAt(at) === false) ? `, ${settings.t.notRecorded}` : '';
    return `${formatDateTime(at, settings.zone)} ${settings.zoneLabel(at)}${what}`;
  };

  const canvas = scope.h('canvas', { 'aria-hidden': 'true' });
  const context = canvas.getContext('2d');
  const element = scope.h('div', {
    class: 'timeline', role: 'slider', tabindex: 0,
    'aria-label': () => settings.t.timeline,
    'aria-valuemin': () => Math.round(scale.start / 1000),
    'aria-valuemax': () => Math.round(scale.end / 1000),
  }, canvas);
  const announce = (): void => {
    element.setAttribute('aria-valuenow', String(Math.round((scrub ?? o.time() ?? clock.now()) / 1000)));
    element.setAttribute('aria-valuetext', describe());
  };
  announce();
  element.addEventListener('focus', announce, { signal: scope.signal });

  const paint = (): void => {
    frame = 0;
    if (context === null || width === 0) {
      return;
    }
    colours ??= palette(element);
    draw(context, width, {
      scale,
      rows: o.footage.map((f) => {
        const { ranges, unknown, activity, rates } = f.view(scale);
        return { name: f.camera, ranges, unknown, activity, rates };
      }),
      ticks: ticks(scale, width, settings.zone), now: clock.now(), playhead: scrub ?? o.time(), hover, marks: o.marks(),
    }, colours);
  };
  const redraw = (): void => {
    if (frame === 0 && !scope.signal.aborted) {
      frame = requestAnimationFrame(paint);
    }
  };
  scope.onDispose(() => cancelAnimationFrame(frame));

  const tall = height(o.footage.length);
  element.style.height = `${tall}px`;
  canvas.style.height = `${tall}px`;
  const fit = (): void => {
    width = element.clientWidth;
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(tall * ratio);
    context?.setTransform(ratio, 0, 0, ratio, 0, 0);
    redraw();
  };
  const sized = new ResizeObserver(fit);
  sized.observe(element);
  scope.onDispose(() => sized.disconnect());
  const themed = new MutationObserver(() => {
    colours = undefined;
    redraw();
  });
  themed.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  scope.onDispose(() => themed.disconnect());
  let spoken = '';
  scope.follow(() => { // language and zone
    if (spoken !== `${settings.language} ${settings.zone}`) {
      spoken = `${settings.language} ${settings.zone}`;
      announce();
      redraw();
    }
  });

  const set = (next: Scale, follows: boolean): void => {
    scale = next;
    following = follows;
    element.setAttribute('aria-valuemin', String(Math.round(scale.start / 1000)));
    element.setAttribute('aria-valuemax', String(Math.round(scale.end / 1000)));
    redraw();
  };
  for (const f of o.footage) {
    f.onChange(redraw);
  }
  scope.every(100, () => {
    const at = o.time();
    if (following && scrub === undefined && at !== undefined) {
      scale = follow(scale, at, clock.now(), o.live());
    }
    redraw();
  });

  const around = (): number => {
    const at = o.time();
    return at !== undefined && at >= scale.start && at <= scale.end ? at : (scale.start + scale.end) / 2;
  };

  pointer();
  keys();
  return {
    element,
    scale: () => scale,
    show: (s) => set(pan(s, 0, clock.now()), false),
    reveal: (ms) => set(ms >= scale.start && ms <= scale.end ? scale : centre(scale, ms, clock.now()), true),
    zoomBy: (factor) => set(zoom(scale, factor, around(), clock.now()), following),
    zoomTo: (span) => set(zoom(scale, span / spanOf(scale), around(), clock.now()), following),
    announce,
    shortcuts: [
      { keys: ['ArrowUp', 'ArrowDown'], label: () => `${settings.t.minuteOn} / ${settings.t.minuteBack}` },
      { keys: ['+', '-'], label: () => `${settings.t.zoomIn} / ${settings.t.zoomOut}` },
      { keys: ['PageUp', 'PageDown'], label: () => settings.t.turnBar },
      { keys: ['Home', 'End'], label: () => settings.t.endsOfBar },
    ],
  };

  function pointer(): void {
    const down = new Map<number, { x: number; y: number }>();
    let from: { x: number; scale: Scale; panning: boolean; far: boolean } | undefined;
    let pinch: { distance: number; middle: number; scale: Scale } | undefined;
    const x = (e: PointerEvent | WheelEvent): number => e.clientX - element.getBoundingClientRect().left;
    const y = (e: PointerEvent): number => e.clientY - element.getBoundingClientRect().top;
    const listen = <E extends keyof HTMLElementEventMap>(name: E, f: (e: HTMLElementEventMap[E]) => void): void =>
      element.addEventListener(name, f, { signal: scope.signal, passive: false });
    const point = (at: number, dragging: boolean): void => o.onPoint?.({ ms: timeAt(scale, width, at), x: at, dragging });
    let rolling = 0; // the frame that moves the bar next, while the playhead is dragged to one of its ends
    let dragged = 0; // where the pointer is then
    /** scrubTo drags the playhead to a position, and moves the bar as long as that is at an end of it. */
    const scrubTo = (at: number): void => {
      dragged = at;
      const inside = Math.min(Math.max(at, 0), width);
      scrub = Math.min(timeAt(scale, width, inside), clock.now());
      point(inside, true);
      redraw();
      if (rolling === 0 && push(at) !== 0) {
        let before = performance.now();
        const roll = (now: number): void => {
          rolling = 0;
          if (from === undefined || scrub === undefined || push(dragged) === 0 || scope.signal.aborted) {
            return;
          }
          const next = pan(scale, push(dragged) * spanOf(scale) * edgeSpeed * Math.min((now - before) / 1000, 0.1), clock.now());
          before = now;
          const stuck = next.start === scale.start;
          set(next, false);
          scrubTo(dragged);
          cancelAnimationFrame(rolling);
          rolling = stuck ? 0 : requestAnimationFrame(roll);
        };
        rolling = requestAnimationFrame(roll);
      }
    };
    /** push says how hard a position is pushed against an end: -1 to 1, 0 = not at all. */
    const push = (at: number): number => {
      if (at < edge) {
        return -Math.min((edge - at) / edge, 1);
      }
      return at > width - edge ? Math.min((at - width + edge) / edge, 1) : 0;
    };
    scope.onDispose(() => cancelAnimationFrame(rolling));

    listen('pointerdown', (e) => {
      if (e.button !== 0) {
        return;
      }
      element.setPointerCapture(e.pointerId);
      down.set(e.pointerId, { x: x(e), y: y(e) });
      const [a, b] = [...down.values()];
      if (a !== undefined && b !== undefined) {
        pinch = { distance: Math.max(Math.abs(a.x - b.x), 10), middle: (a.x + b.x) / 2, scale };
        from = undefined;
        scrub = undefined;
        o.onPoint?.(undefined);
        return;
      }
      // On the labels below the band, or with shift, a drag moves the bar instead of the playhead.
      from = { x: x(e), scale, panning: e.shiftKey || y(e) > tall - labels, far: false };
    });
    listen('pointermove', (e) => {
      const was = down.get(e.pointerId);
      if (was === undefined) {
        hover = e.pointerType === 'mouse' ? timeAt(scale, width, x(e)) : undefined;
        if (hover !== undefined) {
          point(x(e), false);
        }
        redraw();
        return;
      }
      down.set(e.pointerId, { x: x(e), y: y(e) });
      const [a, b] = [...down.values()];
      if (pinch !== undefined && a !== undefined && b !== undefined) {
        const factor = pinch.distance / Math.max(Math.abs(a.x - b.x), 10);
        const zoomed = zoom(pinch.scale, factor, timeAt(pinch.scale, width, pinch.middle), clock.now());
        const shift = ((pinch.middle - (a.x + b.x) / 2) / width) * spanOf(zoomed);
        set(pan(zoomed, shift, clock.now()), false);
      } else if (from !== undefined) {
        from.far ||= Math.abs(x(e) - from.x) > moved;
        if (!from.far) {
          return;
        }
        if (from.panning) {
          set(pan(from.scale, ((from.x - x(e)) / width) * spanOf(from.scale), clock.now()), false);
        } else {
          hover = undefined;
          scrubTo(x(e));
        }
      }
    });
    const up = (e: PointerEvent, chosen: boolean): void => {
      const was = down.delete(e.pointerId);
      if (!was) {
        return;
      }
      if (from !== undefined && chosen && !(from.panning && from.far)) {
        const at = Math.min(scrub ?? timeAt(scale, width, x(e)), clock.now());
        following = true;
        o.onSeek(at);
      }
      if (down.size === 0) {
        cancelAnimationFrame(rolling);
        rolling = 0;
        from = undefined;
        pinch = undefined;
        scrub = undefined;
        o.onPoint?.(undefined);
      }
      redraw();
    };
    listen('pointerup', (e) => up(e, true));
    listen('pointercancel', (e) => up(e, false));
    listen('pointerleave', () => {
      if (down.size === 0) {
        hover = undefined;
        o.onPoint?.(undefined);
        redraw();
      }
    });
    listen('wheel', (e) => {
      e.preventDefault();
      const lines = e.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 30;
      if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
        const by = (e.deltaX === 0 ? e.deltaY : e.deltaX) * lines;
        set(pan(scale, (by / width) * spanOf(scale), clock.now()), false);
        return;
      }
      const factor = Math.exp(Math.min(Math.max(e.deltaY * lines, -300), 300) * 0.0025);
      set(zoom(scale, factor, timeAt(scale, width, x(e)), clock.now()), following);
    });
  }

  function keys(): void {
    element.addEventListener('keydown', (e) => {
      if (e.altKey || e.ctrlKey || e.metaKey) {
        return;
      }
      const now = clock.now();
      const at = o.time() ?? now;
      const seek = (ms: number): void => {
        following = true;
        o.onSeek(Math.min(ms, now));
      };
      switch (e.key) {
        case 'PageUp':
          set(pan(scale, -spanOf(scale) * 0.8, now), false);
          break;
        case 'PageDown':
          set(pan(scale, spanOf(scale) * 0.8, now), false);
          break;
        case 'ArrowUp':
          seek(at + 60_000);
          break;
        case 'ArrowDown':
          seek(at - 60_000);
          break;
        case 'Home':
          seek(scale.start);
          break;
        case 'End':
          seek(Math.min(scale.end, now));
          break;
        case 'Enter':
          if (hover !== undefined) {
            seek(hover);
          }
          break;
        case '+':
        case '=':
          set(zoom(scale, 0.5, at, now), following);
          break;
        case '-':
          set(zoom(scale, 2, at, now), following);
          break;
        default:
          return;
      }
      e.preventDefault();
      e.stopPropagation();
    }, { signal: scope.signal });
  }
}

/** labelAt names a moment beside the pointer: the time, with the date when the bar shows more than a day. */
export function labelAt(s: Scale, ms: number, zone: string): string {
  return spanOf(s) > 24 * hour ? formatDateTime(ms, zone) : formatTime(ms, zone);
}

/** placeAt keeps something of a width inside the bar, centred at a moment. */
export function placeAt(s: Scale, bar: number, ms: number, width: number): number {
  return Math.min(Math.max(xOf(s, bar, ms) - width / 2, 0), Math.max(bar - width, 0));
}

/** palette reads the colours that the style sheet gives the bar. */
function palette(element: Element): Palette {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(`--timeline-${name}`).trim();
  return {
    track: colour('track'), recorded: colour('recorded'), activity: colour('activity'), unknown: colour('unknown'),
    text: colour('text'), line: colour('line'), now: colour('now'), head: colour('head'), mark: colour('mark'),
  };
}
