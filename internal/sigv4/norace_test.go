// SPDX-License-Identifier: Apache-2.0

//go:build !race

package sigv4

const raceEnabled = false
