// SPDX-License-Identifier: Apache-2.0

package main

import "context"

func runPush(context.Context, *globals, *pushCmd) error         { return nil }
func runProbe(context.Context, *globals, *probeCmd) error       { return nil }
func runPlaylist(context.Context, *globals, *playlistCmd) error { return nil }
