// SPDX-License-Identifier: Apache-2.0

// Video.js would put <style> elements into the page, which the content security policy forbids; its stylesheet is
// bundled instead. It reads this when it is loaded, so this module must come before it.
declare global {
  interface Window {
    VIDEOJS_NO_DYNAMIC_STYLE?: boolean;
  }
}

window.VIDEOJS_NO_DYNAMIC_STYLE = true;

export {};
