// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package http1

import (
	"net"
	"time"
)

// sendQueue is not known here: progress is what the kernel takes.
type sendQueue struct{}

func (*sendQueue) init(net.Conn, time.Duration) {}

func (*sendQueue) unacked() int { return unknown }
