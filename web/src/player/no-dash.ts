// SPDX-License-Identifier: Apache-2.0

/**
 * In place of the package mpd-parser (vite.config.ts): Video.js brings a DASH player along, whose manifests are XML. Nothing here plays
 * DASH, and the parser is a tenth of the bundle.
 */

const none = (): never => {
  throw new Error('DASH is not supported');
};

export { none as addSidxSegmentsToPlaylist, none as generateSidxKey, none as parse, none as parseUTCTiming };
