// SPDX-License-Identifier: Apache-2.0

package s3server

import "path/filepath"

// syncAncestors puts the entries of a data directory on disk, and those of the directories above it, which may just have been made: an object
// that is synced in a directory nobody can find is lost. Those that may not be opened were there before.
func syncAncestors(dir string) error {
	if err := syncDir(dir); err != nil {
		return err
	}
	for {
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		_ = syncDir(up)
		dir = up
	}
}
