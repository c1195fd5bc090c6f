// SPDX-License-Identifier: Apache-2.0

package retention

import "golang.org/x/sys/unix"

// unitOf is what the counts of blocks are in. FUSE and NFS have a larger Bsize, which is advice for reading.
func unitOf(st *unix.Statfs_t) int64 {
	if st.Frsize > 0 {
		return int64(st.Frsize)
	}
	return int64(st.Bsize)
}
