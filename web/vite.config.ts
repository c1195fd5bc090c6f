// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from 'vite';

// Relative addresses (base './') let the same bundle live at the root of the standalone server and below any S3 path.
// Nothing is inlined as a data: address and there is no inline script, so that the content security policy stays strict.
export default defineConfig({
  base: './',
  resolve: { alias: { 'mpd-parser': new URL('src/player/no-dash.ts', import.meta.url).pathname } },
  build: {
    outDir: '../internal/webui/dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    reportCompressedSize: false,
    license: { fileName: 'licenses.md' },
  },
});
