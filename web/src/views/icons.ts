// SPDX-License-Identifier: Apache-2.0

/** The few drawings on buttons, 24 x 24. */

const paths = {
  play: 'M8 5v14l11-7z',
  pause: 'M6 5h4v14H6zm8 0h4v14h-4z',
  stepBack: 'M15 6v12l-8-6zM17 6h2v12h-2z',
  stepOn: 'M9 6v12l8-6zM5 6h2v12H5z',
  gapBack: 'M12 6v12l-7-6zm7 0v12l-7-6zM3 6h2v12H3z',
  gapOn: 'M12 6v12l7-6zM5 6v12l7-6zm14 0h2v12h-2z',
  snapshot: 'M9 4 7.5 6H4v13h16V6h-3.5L15 4zm3 4a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zm0 2a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  clip: 'M5 5h5v2H7v10h3v2H5zm9 0h5v14h-5v-2h3V7h-3zM9 11h6v2H9z',
  link: 'M10.6 13.4a1 1 0 0 0 1.4 0l4-4a3 3 0 0 0-4.3-4.2L10 6.9l1.4 1.4 1.7-1.7a1 1 0 0 1 1.5 1.4l-4 4a1 1 0 0 0 0 1.4zm2.8-2.8a1 1 0 0 0-1.4 0l-4 4a3 3 0 0 0 4.3 4.2l1.7-1.7-1.4-1.4-1.7 1.7a1 1 0 0 1-1.5-1.4l4-4a1 1 0 0 0 0-1.4z',
  share: 'M18 3a3 3 0 1 1-2.3 4.9l-6 3.4a3 3 0 0 1 0 1.4l6 3.4A3 3 0 1 1 14.7 18l-6-3.4a3 3 0 1 1 0-5.2l6-3.4A3 3 0 0 1 18 3z',
  person: 'M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4 20c0-4 3.6-6.5 8-6.5s8 2.5 8 6.5z',
  key: 'M8 7a5 5 0 0 1 4.9 4H21v4h-2v2h-4v-2h-2.1A5 5 0 1 1 8 7zm0 3a2 2 0 1 0 0 4 2 2 0 0 0 0-4z',
  zoomIn: 'M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z',
  zoomOut: 'M5 11h14v2H5z',
  themeAuto: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2v14a7 7 0 0 1 0-14z',
  themeLight: 'M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM11 1h2v4h-2zm0 18h2v4h-2zM1 11h4v2H1zm18 0h4v2h-4zM3.5 4.9l1.4-1.4 2.8 2.8-1.4 1.4zm12.8 12.8 1.4-1.4 2.8 2.8-1.4 1.4zM19.1 3.5l1.4 1.4-2.8 2.8-1.4-1.4zM6.3 16.3l1.4 1.4-2.8 2.8-1.4-1.4z',
  themeDark: 'M12.3 3a9 9 0 1 0 8.7 11.3A7.5 7.5 0 0 1 12.3 3z',
  keyboard: 'M3 6h18v12H3zm2 2v8h14V8zm1 1h2v2H6zm3 0h2v2H9zm3 0h2v2h-2zm3 0h3v2h-3zM6 12h2v2H6zm3 0h6v2H9zm7 0h2v2h-2z',
} as const;

export type Icon = keyof typeof paths;

/** icon draws one; what it means is the button's label to say. */
export function icon(name: Icon): SVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', paths[name]);
  path.setAttribute('fill-rule', 'evenodd');
  svg.append(path);
  return svg;
}
