// SPDX-License-Identifier: Apache-2.0

package spool

// Name lets tests make files.
func Name(seq uint64) string { return name(seq) }
