// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package spool

import (
	"io/fs"
	"os"
)

// Cameras run Linux. Elsewhere the package only has to compile: nothing is locked, no folder is synced.

const openFlags = 0

func isLink(error) bool { return false }

func lock(*os.File) (bool, error) { return false, nil }

func diskOf(info fs.FileInfo) int64 { return roundUp(info.Size()) }

func ignoreUnsupported(error) error { return nil }

func noRoom(error) bool { return false }

func passing(error) bool { return false }
