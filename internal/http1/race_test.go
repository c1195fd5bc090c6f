// SPDX-License-Identifier: Apache-2.0

//go:build race

package http1_test

const raceEnabled = true
