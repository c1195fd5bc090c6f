// SPDX-License-Identifier: Apache-2.0

import type { Messages } from '../i18n/messages';

/** ago says how long something is past, in the largest unit that fits. ms is at least 0. */
export function ago(t: Messages, ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) {
    return t.secondsAgo(seconds);
  }
  if (seconds < 3600) {
    return t.minutesAgo(Math.floor(seconds / 60));
  }
  if (seconds < 48 * 3600) {
    return t.hoursAgo(Math.floor(seconds / 3600));
  }
  const days = Math.floor(seconds / 86400);
  if (days < 60) {
    return t.daysAgo(days);
  }
  return days < 730 ? t.monthsAgo(Math.floor(days / 30.44)) : t.yearsAgo(Math.floor(days / 365.25));
}
