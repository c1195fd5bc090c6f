// SPDX-License-Identifier: Apache-2.0

import type { App } from '../app';
import type { Scope } from '../dom';
import { formatDateTime, formatTime } from '../time';
import { fetchPiece, findPiece, nameOf, type Outcome, type Piece } from '../timeline/own-clip';
import { reasonText } from './error-box';
import { canWriteToDisk, type DiskFile, save, toDisk } from './save';

/** Of a file that is gathered in memory; a bigger one needs a browser that writes it to the disk as it comes. */
const mostBytes = 300e6;
const settleMs = 400; // marks that are moved step by step are not asked about at each
const gapsNamed = 3;

export interface OwnClipOptions {
  chosen: () => { from: number; to: number } | undefined;
  tell: (text: () => string) => void;
}

/**
 * ownClip offers a piece as a file where the server makes none: what it would hold, a button that fetches and saves it, and one that calls
 * it off. It says in advance that segments are taken whole, which range that is, and what is missing in it.
 */
export function ownClip(scope: Scope, app: App, camera: string, o: OwnClipOptions): HTMLElement {
  const { settings, api } = app;
  let piece: Piece | undefined;
  let problem: (() => string) | undefined;
  let asked = ''; // the marks that piece is about
  let looking: AbortController | undefined;
  let running: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const look = async (from: number, to: number): Promise<void> => {
    const mine = looking = new AbortController();
    const reply = await findPiece(api, camera, from, to, AbortSignal.any([mine.signal, scope.signal]));
    if (mine.signal.aborted || scope.signal.aborted) {
      return;
    }
    if (reply.kind === 'ok') {
      piece = reply.value;
    } else if (reply.kind === 'error') {
      problem = () => reasonText(settings, reply.reason);
    }
    scope.refresh();
  };
  scope.onDispose(() => {
    clearTimeout(timer);
    running?.abort();
  });
  scope.follow(() => {
    const marks = o.chosen();
    const key = marks === undefined ? '' : `${marks.from} ${marks.to}`;
    if (key === asked || running !== undefined) {
      return;
    }
    asked = key;
    piece = problem = undefined;
    looking?.abort();
    clearTimeout(timer);
    if (marks !== undefined) {
      timer = setTimeout(() => void look(marks.from, marks.to), settleMs);
    }
  });

  const about = (): string => {
    if (problem !== undefined) {
      return problem();
    }
    if (piece === undefined) {
      return settings.t.ownClip;
    }
    const at = (ms: number): string => formatDateTime(ms, settings.zone);
    return [
      settings.t.ownClipHolds(at(piece.start), at(piece.end), piece.segments.length, megabytes(piece.bytes)),
      piece.gaps.length > 0 && settings.t.ownClipGaps(piece.gaps.length, piece.gaps.slice(0, gapsNamed)
        .map((g) => `${formatTime(g.start, settings.zone)}–${formatTime(g.end, settings.zone)}`).join(', ') + (piece.gaps.length > gapsNamed ? ', …' : '')),
      piece.bytes > mostBytes && !canWriteToDisk() && settings.t.ownClipTooBig(megabytes(mostBytes)),
    ].filter((s) => s !== false).join(' ');
  };
  const tooBig = (): boolean => piece !== undefined && piece.bytes > mostBytes && !canWriteToDisk();

  const run = async (): Promise<void> => {
    const it = piece;
    if (it === undefined || running !== undefined) {
      return;
    }
    const mine = running = new AbortController();
    const name = nameOf(camera, it);
    let disk: DiskFile | undefined;
    let outcome: Outcome = { kind: 'aborted' };
    const parts: Uint8Array<ArrayBuffer>[] = [];
    try {
      if (it.bytes > mostBytes) {
        disk = await toDisk(name);
        if (disk === undefined) {
          return;
        }
      }
      bar.hidden = false;
      bar.max = it.segments.length;
      bar.value = 0;
      o.tell(() => settings.t.clipLoading(megabytes(0)));
      const file = disk;
      outcome = await fetchPiece(api, {
        camera, piece: it, signal: mine.signal, most: file === undefined ? mostBytes : Infinity,
        sink: file ?? { write: async (part) => { parts.push(part); } },
        progress: (bytes, segments) => {
          bar.value = segments;
          o.tell(() => settings.t.clipLoading(`${megabytes(bytes)} (${segments}/${it.segments.length})`));
        },
      });
      if (outcome.kind === 'ok') {
        await file?.close();
      }
    } catch (e) {
      outcome = { kind: 'notWritten', message: e instanceof Error ? e.message : String(e) };
    } finally {
      running = undefined;
      bar.hidden = true;
      if (outcome.kind !== 'ok') {
        await disk?.abort().catch(() => {}); // nothing that looks like a file is left behind
      }
      if (!scope.signal.aborted) {
        scope.refresh();
      }
    }
    if (scope.signal.aborted) {
      return;
    }
    if (outcome.kind === 'ok' && disk === undefined) {
      save(new Blob(parts, { type: 'video/mp2t' }), name);
    }
    o.tell(() => said(outcome));
  };

  const said = (outcome: Outcome): string => {
    const { t } = settings;
    switch (outcome.kind) {
      case 'ok':
        return t.clipSaved(megabytes(outcome.bytes));
      case 'aborted':
        return t.clipStopped;
      case 'tooBig':
        return `${t.clipFailed} ${t.ownClipTooBig(megabytes(mostBytes))}`;
      case 'missing': {
        const why = outcome.reason === 'damaged' ? t.segmentDamaged : reasonText(settings, outcome.reason);
        return `${t.clipFailed} ${t.ownClipMissing(formatDateTime(outcome.at, settings.zone))} ${why}${outcome.message === '' ? '' : ` (${outcome.message})`}`;
      }
      case 'notWritten':
        return `${t.clipFailed} ${outcome.message}`;
    }
  };

  const bar = scope.h('progress', { hidden: true, 'aria-label': () => settings.t.clip });
  return scope.h('div', { class: 'own-clip' },
    scope.h('p', { class: 'detail' }, about),
    scope.h('p', { class: 'actions' },
      scope.h('button', {
        type: 'button', class: 'primary', disabled: () => piece === undefined || running !== undefined || tooBig(), on: { click: () => void run() },
      }, () => settings.t.saveTs),
      scope.h('button', { type: 'button', hidden: () => running === undefined, on: { click: () => running?.abort() } }, () => settings.t.cancel)),
    bar);
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
