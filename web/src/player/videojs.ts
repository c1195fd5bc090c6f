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

/** createPlayer makes a Video.js player in the element. live leaves out what makes no sense there. */
export function createPlayer(parent: HTMLElement, mode: 'live' | 'range' | 'growing', language: string): Player {
  const element = document.createElement('video-js');
  element.className = 'vjs-fill';
  parent.appendChild(element);
  const kind = playerKind();
  const common = ['volumePanel', 'pictureInPictureToggle', 'fullscreenToggle'];
  const player = videojs(element, {
    controls: true,
    autoplay: 'any', // with sound if the browser lets us, else muted
    preload: 'auto',
    fill: true,
    language,
    crossOrigin: 'anonymous',
    playsinline: true,
    errorDisplay: false, // the view says it, in its own words
    loadingSpinner: false,
    liveui: mode === 'growing',
    userActions: { hotkeys: true },
    playbackRates: mode === 'live' ? [] : [0.5, 1, 2, 4, 8, 16],
    controlBar: {
      children:
        mode === 'live'
          ? ['playToggle', 'customControlSpacer', ...common]
          : ['playToggle', 'skipBackward', 'skipForward', 'progressControl', 'seekToLive',
            'remainingTimeDisplay', 'playbackRateMenuButton', ...common],
      skipButtons: { backward: 10, forward: 10 },
    },
    html5: {
      nativeAudioTracks: kind === 'native',
      nativeVideoTracks: kind === 'native',
      vhs: {
        overrideNative: kind !== 'native',
        experimentalUseMMS: kind === 'managed',
        allowSeeksWithinUnsafeLiveWindow: mode === 'live',
      },
    },
  });
  return player;
}
