// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// epoch names the time in which files that were written and not synced are still there as they were left: until the machine boots, or the file
// system is mounted anew. Empty: not known.
func epoch(dir string) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	var st unix.Statx_t
	const unique = 0x4000 // STATX_MNT_ID_UNIQUE, Linux 6.8; before, a file system that is mounted anew is not noticed
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unique, &st); err != nil || st.Mask&unique == 0 {
		st.Mnt_id = 0
	}
	return fmt.Sprintf("%s %d\n", strings.TrimSpace(string(boot)), st.Mnt_id)
}
