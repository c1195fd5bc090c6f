// SPDX-License-Identifier: Apache-2.0

package sigv4

// AppendCanonical lets tests look at the canonical request.
func AppendCanonical(dst []byte, r *Request) []byte {
	sortHeaders(r.Headers)
	return appendCanonical(dst, r)
}

// RaceEnabled tells black-box tests that allocation counts are distorted.
const RaceEnabled = raceEnabled
