// SPDX-License-Identifier: Apache-2.0

//go:build race

package playback_test

const raceEnabled = true
