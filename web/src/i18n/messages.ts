// SPDX-License-Identifier: Apache-2.0

import type { en } from './en';

/** The texts of the pages. A language that lacks one, or takes other parameters, does not compile. */
export type Messages = {
  [K in keyof typeof en]: (typeof en)[K] extends (...args: infer A) => string ? (...args: A) => string
    : (typeof en)[K] extends readonly string[] ? readonly string[] : string;
};
