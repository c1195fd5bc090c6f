// SPDX-License-Identifier: Apache-2.0

import type { Reason, Result } from '../api';
import { LiveSync, PollPlanner, startDelay } from './live-sync';
import { PicturePace } from './pace';
import { covers, endTime, offsetOf, positionOf, programTimeAt } from './program-time';
import { createPlayer, type Player, playerKind } from './videojs';
import { open, type Stream } from './vhs';

/** What a viewer should know about the playback. Times are ms since the epoch. */
export type Status =
  | { kind: 'connecting' }
  | { kind: 'playing' }
  | { kind: 'paused' }
  | { kind: 'buffering' }
  | { kind: 'silent'; since: number }
  | { kind: 'ended' }
  | { kind: 'noVideo' }
  | { kind: 'retrying'; reason: Reason | 'media'; seconds: number }
  | { kind: 'failed'; reason: Reason | 'media'; message: string };

/** A playlist to play. */
export interface Source {
  url: string;
  /** live: stay near the newest pictures; range: from start on; growing: the same, and the playlist grows meanwhile */
  mode: 'live' | 'range' | 'growing';
  /** program time to begin at; not for live */
  start?: number;
  /** program time from which on the playlist has what there is; not for live */
  from?: number;
}

export interface CameraPlayerOptions {
  language: string;
  /** what a screen reader calls the player */
  label: string;
  /** one of many pictures: silent, without buttons */
  tile?: boolean;
  /** the server's time */
  now: () => number;
  /** asks the server about the playlist, to say why it does not play */
  check: (url: string, signal: AbortSignal) => Promise<Result<void>>;
  onStatus: (status: Status) => void;
}

const tickMs = 100;
const longWait = 12_000; // ms without progress although there is data: nudge, then load anew

/**
 * CameraPlayer plays one playlist after the other and keeps at each: it stays near live, says what is wrong, and starts
 * again after errors. It owns the Video.js player inside parent until dispose.
 */
export class CameraPlayer {
  readonly #o: CameraPlayerOptions;
  #source: Source = { url: '', mode: 'live' };
  #longer: Source[] = []; // what was appended to it, in order
  #opened = 0; // counts sources and their reloads: what belongs to an older one is ignored
  #rate = 1; // as the viewer chose it; live steers the rate by itself
  #paused = false; // whether the next source is to stand still
  #heard = false; // what played before could be heard: so is what comes next
  readonly #player: Player;
  readonly #leave = new AbortController();
  #stream: Stream | undefined;
  #sync = new LiveSync();
  #planner = new PollPlanner();
  #targetDuration = 3;
  #segment = 3; // duration of the newest segment, in seconds
  #longest = 3; // of the playlist's segments: a camera with uneven ones will send such a one again
  #window = 0; // duration of the whole playlist, in seconds
  #startOffset = 0; // where a replay begins on the player's time line, in seconds
  #listedEnd: number | undefined; // program time of the playlist's end
  #started = false; // a frame was played since the source was set
  #bufferEnd: number | undefined;
  #countArrival = false;
  #position = 0;
  #progressAt = 0; // local time at which the position last moved
  #nudged = false;
  #resumeAt: number | undefined; // program time to begin at after an error
  #attempt = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  #retryAt = 0;
  #trouble: Status | undefined = { kind: 'connecting' }; // set while there is no source that could play
  #shown = '';
  readonly #pace = new PicturePace();

  constructor(parent: HTMLElement, options: CameraPlayerOptions) {
    this.#o = options;
    this.#player = createPlayer(parent, options.language, options.tile === true, options.label);
    this.#player.on('xhr-hooks-ready', () => queueMicrotask(() => this.#attach()));
    this.#player.on('error', () => void this.#failed());
    this.#player.on('waiting', () => this.#waiting());
    this.#player.on('play', () => { this.#paused = false; });
    this.#player.on('loadedmetadata', () => this.#standAtStart());
    const timer = setInterval(() => this.#tick(), tickMs);
    this.#watchPictures(undefined);
    this.#leave.signal.addEventListener('abort', () => clearInterval(timer));
  }

  dispose(): void {
    this.#leave.abort();
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#pollTimer);
    this.#player.dispose();
  }

  set language(l: string) {
    this.#player.language(l);
  }

  /** source is what is played. */
  get source(): Source {
    return this.#source;
  }

  /** open plays another playlist instead. A player that stands still shows its first picture and stays so. */
  open(source: Source): void {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#pollTimer);
    this.#longer = [];
    this.#paused = this.#source.mode !== 'live' && source.mode !== 'live' && this.#started && this.#player.paused() && !this.#player.ended();
    this.#source = source;
    this.#resumeAt = source.start;
    this.#startOffset = 0;
    this.#attempt = 0;
    void this.#load();
  }

  /** close stops what plays, because there is nothing at the wanted moment. */
  close(): void {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#pollTimer);
    this.#opened++;
    this.#stream = undefined;
    this.#started = false;
    this.#listedEnd = undefined;
    if (this.#source.url !== '') {
      this.#player.reset();
    }
    this.#source = { url: '', mode: 'range' };
    this.#trouble = { kind: 'failed', reason: 'notFound', message: '' };
  }

  /** video is the element that shows the picture. */
  get video(): HTMLVideoElement | undefined {
    return this.#player.el().querySelector('video') ?? undefined;
  }

  get paused(): boolean {
    return this.#player.paused();
  }

  play(): void {
    this.#play();
  }

  pause(): void {
    this.#player.pause();
  }

  /** rate is how fast a replay plays. */
  get rate(): number {
    return this.#rate;
  }

  set rate(r: number) {
    this.#rate = r;
    if (this.#source.mode !== 'live') {
      this.#player.playbackRate(r);
    }
  }

  /** covers tells whether the playlist as last loaded has this program time, or a gap at it, inside. */
  covers(ms: number): boolean {
    return this.#trouble === undefined && covers(ms, this.#stream?.playlist()?.segments ?? []);
  }

  /** seekTo goes to a program time that the playlist covers: in a gap, to what comes after. */
  seekTo(ms: number): void {
    const segments = this.#stream?.playlist()?.segments ?? [];
    this.#player.currentTime(positionOf(ms, segments));
  }

  /** step moves by pictures while playback stands still. */
  step(pictures: number): void {
    this.#player.pause();
    this.#player.currentTime(Math.max(0, this.#now() + pictures * this.#pace.seconds));
  }

  toggleMuted(): void {
    this.#heard = false; // decided anew
    this.#player.muted(this.#player.muted() !== true);
  }

  toggleFullScreen(): void {
    const done: unknown = this.#player.isFullscreen() === true ? this.#player.exitFullscreen() : this.#player.requestFullscreen();
    Promise.resolve(done).catch(() => {}); // not everywhere, and not without a viewer's doing
  }

  /** rangeEnd is the program time at which the playlist ends, as far as is known. */
  get rangeEnd(): number | undefined {
    return this.#listedEnd;
  }

  /** remaining is how many seconds of a replay are left to play; undefined when none plays. */
  get remaining(): number | undefined {
    const duration = this.#player.duration() ?? NaN;
    return this.#started && this.#source.mode === 'range' && Number.isFinite(duration) ? duration - this.#now() : undefined;
  }

  /** segments is how many the playlist lists. */
  get segments(): number {
    return this.#stream?.playlist()?.segments.length ?? 0;
  }

  /** append makes the replay longer by what another playlist has after it, while it plays; false when that is nothing. */
  append(playlist: string, source: Source): boolean {
    if (this.#trouble !== undefined || this.#source.mode !== 'range' || this.#stream?.append(playlist) !== true) {
      return false;
    }
    this.#longer.push(source);
    return true;
  }

  /** programTime is the time at the camera of the picture that is shown. */
  programTime(): number | undefined {
    return this.#started ? this.#timeAt(this.#now()) : undefined;
  }

  /** latency is how far behind the camera the picture is, in seconds; undefined when nothing is shown yet. */
  latency(): number | undefined {
    const shown = this.programTime();
    return shown === undefined ? undefined : (this.#o.now() - shown) / 1000;
  }

  /** behind tells whether the viewer paused or was held up, so that a way back to live is worth offering. */
  behind(): boolean {
    const latency = this.latency();
    return latency !== undefined && this.#listedEnd !== undefined &&
      this.#listedEnd - (this.programTime() ?? this.#listedEnd) > (2 * this.#targetDuration + 2) * 1000;
  }

  /** goLive jumps to the newest pictures and plays. */
  goLive(): void {
    if (this.#bufferEnd !== undefined) {
      this.#seekLive();
    }
    this.#play();
  }

  /** skip moves by so many seconds. */
  skip(seconds: number): void {
    this.#player.currentTime(Math.max(0, this.#now() + seconds));
  }

  /** replayFromStart goes back to the beginning. */
  replayFromStart(): void {
    this.#player.currentTime(this.#startOffset);
    this.#play();
  }

  /** retry tries now what would be tried later. */
  retry(): void {
    clearTimeout(this.#retryTimer);
    void this.#load();
  }

  /** play begins, or leaves it be: a load in between calls it off, and a browser may forbid it. */
  #play(): void {
    Promise.resolve(this.#player.play()).catch(() => {});
  }

  /** timeAt is the time at the camera at a position of the player's time line. */
  #timeAt(position: number): number | undefined {
    return programTimeAt(position, this.#stream?.around(position) ?? []);
  }

  #now(): number {
    return this.#player.currentTime() ?? 0;
  }

  async #load(): Promise<void> {
    const mine = ++this.#opened;
    this.#heard = this.#started ? this.#player.muted() === false : this.#heard;
    this.#stream = undefined;
    this.#trouble = { kind: 'connecting' };
    this.#started = false;
    this.#listedEnd = undefined;
    const at = this.#resumeAt; // after an error: of what was made longer, the part where that happened
    const part = this.#longer.filter((s) => at !== undefined && s.from !== undefined && s.from <= at).pop();
    if (part !== undefined) {
      this.#source = { ...this.#source, ...part, start: this.#source.start ?? part.from ?? 0 };
    }
    this.#longer = [];
    if (this.#source.mode === 'live') {
      // Ask first: it tells the server's time, which decides where to begin, and why there is nothing to play.
      const reply = await this.#o.check(this.#source.url, this.#leave.signal);
      if (reply.kind === 'aborted' || mine !== this.#opened) {
        return;
      }
      if (reply.kind === 'error') {
        this.#retryLater(reply.reason, reply.message);
        return;
      }
    }
    this.#sync = new LiveSync();
    this.#planner = new PollPlanner();
    this.#bufferEnd = undefined;
    this.#progressAt = performance.now();
    this.#player.error(null);
    this.#player.autoplay(this.#paused ? false : 'any'); // with sound if the browser lets us, else muted
    this.#player.src({ src: this.#source.url, type: 'application/x-mpegURL' });
  }

  /** standAtStart shows the picture that a replay begins with when it does not play: VHS seeks to it only for playing. */
  #standAtStart(): void {
    if (this.#paused && this.#source.mode !== 'live') {
      this.#player.currentTime(this.#startOffset);
    }
    if (this.#source.mode !== 'live') {
      this.#player.playbackRate(this.#rate); // a new source begins with 1
    }
  }

  /** attach hooks into the stream that Video.js just opened, before its playlist arrives. */
  #attach(): void {
    if (this.#leave.signal.aborted) {
      return;
    }
    const stream = open(this.#player.tech(true));
    this.#stream = stream;
    stream?.onPlaylist(() => {
      if (stream === this.#stream) {
        this.#playlistLoaded(stream);
      }
    });
  }

  #playlistLoaded(stream: Stream): void {
    const playlist = stream.playlist();
    if (playlist === undefined) {
      return;
    }
    this.#targetDuration = playlist.targetDuration || this.#targetDuration;
    this.#segment = playlist.segments[playlist.segments.length - 1]?.duration ?? this.#targetDuration;
    this.#longest = playlist.segments.reduce((most, s) => Math.max(most, s.duration), this.#segment);
    const before = this.#listedEnd;
    this.#listedEnd = endTime(playlist.segments);
    if (this.#source.mode !== 'live') {
      if (!this.#started && this.#resumeAt !== undefined) {
        const offset = offsetOf(this.#resumeAt, playlist.segments);
        this.#startOffset = this.#resumeAt === this.#source.start ? offset : this.#startOffset;
        stream.setStart(offset);
      }
      return;
    }
    this.#window = playlist.segments.reduce((sum, s) => sum + s.duration, 0);
    stream.setLiveDelay(this.#liveDelay()); // where playback begins, and where it resumes after it left the window
    if (this.#listedEnd === undefined) {
      return;
    }
    if (before !== undefined && this.#listedEnd !== before) {
      // Only a segment that finds the buffer caught up tells when segments can be had.
      const buffered = this.#bufferEnd === undefined ? undefined : this.#timeAt(this.#bufferEnd);
      this.#countArrival = buffered !== undefined && buffered >= before - 150;
    }
    const wait = this.#planner.loaded(this.#o.now(), this.#listedEnd, this.#segment);
    clearTimeout(this.#pollTimer);
    if (wait !== undefined) {
      this.#pollTimer = setTimeout(() => stream.reload(), wait);
    }
  }

  /** watchPictures learns how long a picture is shown. Video.js may bring a new element with a new source. */
  #watchPictures(watched: HTMLVideoElement | undefined): void {
    if (this.#o.tile === true) {
      return; // nobody steps through one of many
    }
    const follow = (video: HTMLVideoElement): void => {
      video.requestVideoFrameCallback?.((_, about) => {
        if (!this.#leave.signal.aborted && video === this.video) {
          this.#pace.shown(about.mediaTime);
          follow(video);
        }
      });
    };
    const { video } = this;
    if (video !== undefined && video !== watched) {
      follow(video);
    }
    this.#player.one('loadstart', () => this.#watchPictures(video));
  }

  #tick(): void {
    const local = performance.now();
    const position = this.#now();
    if (Math.abs(position - this.#position) > 0.01) {
      this.#progressAt = local;
      this.#nudged = false;
      if (!this.#player.paused() && position > this.#position && this.#trouble === undefined) {
        this.#attempt = 0;
      }
    }
    this.#position = position;
    const stream = this.#stream;
    if (stream !== undefined && this.#trouble?.kind !== 'retrying' && this.#trouble?.kind !== 'failed') {
      // A replay that stands still has begun when its picture is there.
      const enough = this.#player.paused() ? (this.#source.mode === 'live' ? Infinity : 2) : 3;
      if (!this.#started && this.#player.readyState() >= enough && !this.#player.seeking() && this.#listedEnd !== undefined) {
        this.#started = true;
        this.#trouble = undefined;
        if (this.#heard) {
          this.#player.muted(false); // a play that a load interrupted looks to Video.js as if the browser forbade sound
        }
      }
      if (this.#source.mode === 'live') {
        this.#stayLive(local / 1000, position);
      }
      this.#unstick(local);
    } else if (stream === undefined && playerKind() === 'native' && this.#player.readyState() >= 3) {
      this.#started = true;
      this.#trouble = undefined;
    }
    this.#report(local);
  }

  #stayLive(now: number, position: number): void {
    const buffered = this.#player.buffered();
    const end = buffered.length > 0 ? buffered.end(buffered.length - 1) : undefined;
    if (end !== undefined && this.#bufferEnd !== undefined && end > this.#bufferEnd + 0.05 && this.#countArrival) {
      this.#sync.arrived(now, this.#bufferEnd, this.#segment);
      this.#countArrival = false;
    }
    this.#bufferEnd = end;
    if (!this.#started || this.#player.paused() || this.#player.seeking()) {
      return;
    }
    const { rate, jump } = this.#sync.steer(now, position);
    if (jump > 0 && position + jump < this.#listedPosition() - 0.3) {
      this.#player.currentTime(position + jump);
    } else if (this.#player.playbackRate() !== rate) {
      this.#player.playbackRate(rate);
    }
  }

  /** listedPosition is where the playlist ends on the player's time line. */
  #listedPosition(): number {
    const end = this.#bufferEnd ?? this.#now();
    const known = this.#timeAt(end);
    return known === undefined || this.#listedEnd === undefined ? end : end + (this.#listedEnd - known) / 1000;
  }

  #liveDelay(): number {
    return startDelay(this.#o.now(), this.#listedEnd, this.#longest, this.#window);
  }

  #seekLive(): void {
    this.#player.currentTime(this.#listedPosition() - this.#liveDelay());
  }

  #waiting(): void {
    if (this.#started && this.#source.mode === 'live' && !this.#player.seeking() && !this.#silent()) {
      this.#sync.stalled(this.#segment);
    }
  }

  /** silent tells whether the camera, not the page, is why nothing new comes. */
  #silent(): boolean {
    return this.#source.mode !== 'range' && this.#listedEnd !== undefined &&
      this.#o.now() - this.#listedEnd > (2 * this.#targetDuration + 4) * 1000;
  }

  /** unstick gets playback going again when it stands still although there is something to play. */
  #unstick(local: number): void {
    const waited = local - this.#progressAt;
    if (!this.#started || this.#player.paused() || this.#player.ended() || waited < longWait) {
      return;
    }
    const ahead = this.#listedPosition() - this.#position;
    if (ahead < 1 && this.#source.mode !== 'range') {
      return; // at the end of what there is
    }
    if (!this.#nudged) {
      this.#nudged = true;
      this.#player.currentTime(this.#position + 0.5);
    } else if (waited > 2 * longWait) {
      this.#resumeAt = this.programTime() ?? this.#source.start;
      this.#progressAt = local;
      void this.#load();
    }
  }

  async #failed(): Promise<void> {
    const mine = this.#opened;
    this.#resumeAt = this.programTime() ?? this.#resumeAt;
    this.#trouble = { kind: 'connecting' };
    const reply = await this.#o.check(this.#source.url, this.#leave.signal);
    if (mine !== this.#opened) {
      return;
    }
    if (reply.kind === 'error') {
      this.#retryLater(reply.reason, reply.message);
    } else if (reply.kind === 'ok') {
      this.#retryLater('media', this.#player.error()?.message ?? '');
    }
  }

  #retryLater(reason: Reason | 'media', message: string): void {
    const hopeless = reason === 'denied' || reason === 'expired' || reason === 'badRequest' || (reason === 'notFound' && this.#source.mode !== 'live');
    if (hopeless || (reason === 'media' && this.#attempt >= 4)) {
      this.#trouble = { kind: 'failed', reason, message };
      return;
    }
    const seconds = reason === 'notFound' ? 4 : Math.min(2 ** this.#attempt, 15);
    this.#attempt++;
    this.#retryAt = performance.now() + seconds * 1000;
    this.#trouble = { kind: 'retrying', reason, seconds };
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => void this.#load(), seconds * 1000);
  }

  #status(local: number): Status {
    if (this.#trouble?.kind === 'retrying') {
      return { ...this.#trouble, seconds: Math.max(0, Math.ceil((this.#retryAt - local) / 1000)) };
    }
    if (this.#trouble?.kind === 'failed') {
      return this.#trouble;
    }
    if (this.#player.ended()) {
      return { kind: 'ended' };
    }
    if (!this.#started) {
      // Autoplay may be forbidden altogether: then the big play button waits for a click.
      const waits = this.#player.paused() && this.#listedEnd !== undefined && local - this.#progressAt > 1500;
      return waits ? { kind: 'paused' } : { kind: 'connecting' };
    }
    if (this.#player.paused()) {
      return { kind: 'paused' };
    }
    if (this.#player.videoWidth() === 0 && this.#position > 3) {
      return { kind: 'noVideo' };
    }
    if (local - this.#progressAt > 700) {
      const last = this.#silent() ? this.#listedEnd : undefined;
      return last === undefined ? { kind: 'buffering' } : { kind: 'silent', since: last };
    }
    return { kind: 'playing' };
  }

  #report(local: number): void {
    const status = this.#status(local);
    const shown = JSON.stringify(status);
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#o.onStatus(status);
    }
  }
}
