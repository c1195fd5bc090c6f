// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Scope } from '../dom';
import { formatRoute, withToken } from '../route';
import { formatDateTime, formatSpan } from '../time';
import { reasonText } from './error-box';
import { ownClip } from './own-clip';
import { save, saveLink } from './save';
import { shareDialog } from './share-dialog';
import { addressOf, instant } from './share-link';
import { toolButton } from './transport';

/** A clip of more bytes than this is not gathered in memory: the browser's own download writes it to the disk. */
const mostBytes = 300e6;

export interface ClipPanel {
  element: HTMLElement;
  /** buttons for the row below the picture */
  tools: HTMLElement[];
  marks: () => { from: number | undefined; to: number | undefined };
  mark: (which: 'from' | 'to') => void;
  snapshot: () => void;
}

export interface ClipOptions {
  time: () => number | undefined;
  video: () => HTMLVideoElement | undefined;
  /** whether what happens now is shown */
  live: () => boolean;
}

/** clipPanel marks a piece of the recording and saves it, takes a picture, and copies a link to the moment shown. */
export function clipPanel(scope: Scope, app: App, camera: string, o: ClipOptions): ClipPanel {
  const { settings, api } = app;
  const mayClip = app.viewer.mayClip(camera);
  const clips = app.clips && mayClip;
  let from: number | undefined;
  let to: number | undefined;
  let download: AbortController | undefined;
  let say: () => string = () => '';

  const note = scope.h('p', { class: 'detail', role: 'status' }, () => say());
  const tell = (text: () => string): void => {
    say = text;
    scope.refresh();
  };
  const mark = (which: 'from' | 'to'): void => {
    const at = o.time();
    if (at === undefined) {
      return;
    }
    if (which === 'from') {
      from = at;
      to = to !== undefined && to <= at ? undefined : to;
    } else {
      to = at;
      from = from !== undefined && from >= at ? undefined : from;
    }
    element.open = true;
    tell(() => '');
  };
  const chosen = (): { from: number; to: number } | undefined =>
    from !== undefined && to !== undefined && to > from ? { from, to } : undefined;

  const fetchClip = async (format: 'mp4' | 'ts'): Promise<void> => {
    const piece = chosen();
    if (piece === undefined || download !== undefined) {
      return;
    }
    download = new AbortController();
    const stop = (): void => download?.abort();
    scope.signal.addEventListener('abort', stop);
    bar.hidden = false;
    bar.removeAttribute('value');
    tell(() => settings.t.clipLoading('0 MB'));
    const reply = await api.clip(camera, piece.from, piece.to, format, mostBytes, download.signal, (done, about) => {
      if (about > 0) {
        bar.max = about;
        bar.value = Math.min(done, about);
      }
      tell(() => settings.t.clipLoading(megabytes(done)));
    });
    scope.signal.removeEventListener('abort', stop);
    download = undefined;
    bar.hidden = true;
    if (scope.signal.aborted) {
      return;
    }
    if (reply.kind === 'ok' && reply.value === 'tooBig') {
      saveLink(api.clipURL(camera, piece.from, piece.to, format));
      tell(() => settings.t.clipByBrowser);
    } else if (reply.kind === 'ok' && reply.value !== 'tooBig') {
      const { file, name } = reply.value;
      save(file, name ?? `${fileBase(camera, piece.from)}.${format}`);
      tell(() => settings.t.clipSaved(megabytes(file.size)));
    } else if (reply.kind === 'error') {
      tell(() => `${settings.t.clipFailed} ${reasonText(settings, reply.reason)} (${reply.message})`);
    } else {
      tell(() => settings.t.clipStopped);
    }
  };

  const snapshot = (): void => {
    const video = o.video();
    const at = o.time();
    if (video === undefined || video.videoWidth === 0 || at === undefined) {
      tell(() => settings.t.noPicture);
      return;
    }
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    canvas.toBlob((png) => {
      if (png !== null) {
        save(png, `${fileBase(camera, at)}.png`);
        tell(() => settings.t.snapshotSaved);
      }
    }, 'image/png');
  };
  const link = async (): Promise<void> => {
    const at = o.time();
    const start = from ?? at;
    const hash = start === undefined
      ? formatRoute({ view: 'live', camera })
      : formatRoute({ view: 'play', camera, start, ...(to !== undefined && to > start ? { end: to } : {}) });
    const { byLink, claims, token } = app.viewer;
    const url = addressOf(byLink ? withToken(hash, token) : hash); // else it would open for nobody
    try {
      await navigator.clipboard.writeText(url);
      tell(() => (byLink && claims !== undefined ? settings.t.linkWithToken(instant(app, claims.expires)) : settings.t.linkCopied));
    } catch {
      tell(() => url); // the clipboard is not for pages without TLS: then the viewer copies it
    }
  };
  const share = (onlyMarked: boolean): void => {
    const piece = chosen();
    shareDialog(app, {
      camera, at: o.live() ? undefined : o.time(), onlyMarked, marked: piece === undefined ? undefined : { start: piece.from, end: piece.to },
    });
  };
  const mayNotShare = (): boolean => !app.viewer.mayShare;

  const bar = scope.h('progress', { hidden: true, 'aria-label': () => settings.t.clip });
  const time = (get: () => number | undefined): (() => string) => () => {
    const ms = get();
    return ms === undefined ? '–' : formatDateTime(ms, settings.zone);
  };
  const element = scope.h('details', { class: 'card clip' },
    scope.h('summary', {}, () => settings.t.clip),
    scope.h('dl', { class: 'facts' },
      scope.h('div', {}, scope.h('dt', {}, () => settings.t.from), scope.h('dd', { class: 'clip-from' }, time(() => from))),
      scope.h('div', {}, scope.h('dt', {}, () => settings.t.until), scope.h('dd', { class: 'clip-to' }, time(() => to))),
      scope.h('div', {}, scope.h('dt', {}, () => settings.t.length), scope.h('dd', {}, () => {
        const piece = chosen();
        return piece === undefined ? '–' : formatSpan(piece.to - piece.from);
      }))),
    scope.h('p', { class: 'detail' }, () => settings.t.timesIn(settings.zoneLabel(from ?? o.time() ?? app.clock.now()))),
    scope.h('p', { class: 'actions' },
      scope.h('button', { type: 'button', on: { click: () => mark('from') } }, () => settings.t.markFrom),
      scope.h('button', { type: 'button', on: { click: () => mark('to') } }, () => settings.t.markTo),
      scope.h('button', { type: 'button', hidden: mayNotShare, disabled: () => chosen() === undefined, on: { click: () => share(true) } },
        () => settings.t.sharePiece)),
    !clips && !mayClip && scope.h('p', { class: 'detail' }, () => settings.t.linkNoClips),
    !clips && mayClip && ownClip(scope, app, camera, { chosen, tell }),
    clips && scope.h('p', { class: 'actions' },
      scope.h('button', {
        type: 'button', class: 'primary', disabled: () => chosen() === undefined || download !== undefined,
        on: { click: () => void fetchClip('mp4') },
      }, () => settings.t.saveMp4),
      scope.h('button', {
        type: 'button', disabled: () => chosen() === undefined || download !== undefined,
        on: { click: () => void fetchClip('ts') },
      }, () => settings.t.saveTs),
      scope.h('button', { type: 'button', hidden: () => download === undefined, on: { click: () => download?.abort() } },
        () => settings.t.cancel)),
    bar);
  const shareButton = toolButton(scope, 'share', () => settings.t.share, () => share(false));
  scope.follow(() => { shareButton.hidden = mayNotShare(); });
  const section = scope.h('section', { class: 'clip-panel' }, element, note);
  return {
    element: section,
    tools: [
      toolButton(scope, 'snapshot', () => settings.t.snapshot, snapshot),
      toolButton(scope, 'link', () => settings.t.copyLink, () => void link()),
      shareButton,
      toolButton(scope, 'clip', () => settings.t.clip, () => {
        element.open = !element.open;
        if (element.open) {
          element.scrollIntoView({ block: 'nearest' });
        }
      }),
    ],
    marks: () => ({ from, to }),
    mark,
    snapshot,
  };
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** fileBase names a file after camera and time, UTC, with nothing that a file system dislikes. */
function fileBase(camera: string, ms: number): string {
  const stamp = `${new Date(ms).toISOString().slice(0, 19).replaceAll(':', '-')}Z`;
  return `${camera.replace(/[^\p{L}\p{N}._-]+/gu, '-')}_${stamp}`;
}
