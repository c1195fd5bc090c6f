// SPDX-License-Identifier: Apache-2.0

// Package hlstest judges what a player sees over time: successive reloads of one playlist. It is for tests only.
package hlstest
