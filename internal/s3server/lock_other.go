// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package s3server

import "os"

func lockFile(*os.File) (taken bool, err error) { return false, errNoLocks }
