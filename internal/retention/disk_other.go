// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package retention

import "errors"

// DiskOf returns a function that asks the file system of a directory; it cannot on this system.
func DiskOf(string) func() (Disk, error) {
	return func() (Disk, error) {
		return Disk{}, errors.New("the free space of a disk is not known on this system")
	}
}
