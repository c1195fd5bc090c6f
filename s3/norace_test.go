// SPDX-License-Identifier: Apache-2.0

//go:build !race

package s3

const raceEnabled = false
