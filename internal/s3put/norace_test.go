// SPDX-License-Identifier: Apache-2.0

//go:build !race

package s3put_test

const raceEnabled = false
