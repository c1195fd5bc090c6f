// SPDX-License-Identifier: Apache-2.0

/** Video.js with what the pages need set. Loaded only when a view plays something. */

import './no-dynamic-style';
import videojs from 'video.js';
import 'video.js/dist/video-js.css';
import zh from 'video.js/dist/lang/zh-CN.json';

videojs.addLanguage('zh', zh);
videojs.log.level('error');

export { videojs };
export type Player = ReturnType<typeof videojs>;

/** What this browser can play HLS with: Media Source Extensions, Safari's managed form of them, or only by itself. */
export function playerKind(): 'mse' | 'managed' | 'native' {
  if ('MediaSource' in window) {
    return 'mse';
  }
  return 'ManagedMediaSource' in window ? 'managed' : 'native';
}

/**
 * createPlayer makes a Video.js player in the element. Moving in time is not its affair: the views have a timeline for that.
 * A tile is one of many pictures: silent, and without buttons. label is what a screen reader calls it.
 */
export function createPlayer(parent: HTMLElement, language: string, tile: boolean, label: string): Player {
  const element = document.createElement('video-js');
  element.className = 'vjs-fill';
  parent.appendChild(element);
  const kind = playerKind();
  const player = videojs(element, {
    controls: !tile,
    muted: tile,
    preload: 'auto',
    fill: true,
    language,
    crossOrigin: 'anonymous',
    playsinline: true,
    errorDisplay: false, // the view says it, in its own words
    loadingSpinner: false,
    userActions: { hotkeys: false, doubleClick: true },
    controlBar: { children: ['playToggle', 'customControlSpacer', 'volumePanel', 'pictureInPictureToggle', 'fullscreenToggle'] },
    html5: {
      nativeAudioTracks: kind === 'native',
      nativeVideoTracks: kind === 'native',
      vhs: {
        overrideNative: kind !== 'native',
        experimentalUseMMS: kind === 'managed',
        allowSeeksWithinUnsafeLiveWindow: true, // our own delay is shorter than three target durations
      },
    },
  });
  player.el().setAttribute('aria-label', label);
  return player;
}
