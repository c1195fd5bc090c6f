// SPDX-License-Identifier: Apache-2.0

package retention

import "golang.org/x/sys/unix"

// unitOf is what the counts of blocks are in.
func unitOf(st *unix.Statfs_t) int64 { return int64(st.Bsize) }
