// SPDX-License-Identifier: Apache-2.0

package main

func reportReplay(g *goals) error { return nil }
