// SPDX-License-Identifier: Apache-2.0

// Command device measures what the agent costs on a camera: flash, memory, and processor instructions per byte. `make bench-device`
// builds what it needs and prints the report: each figure beside its goal, and beside that of the original C SDK.
//
//	sizes         build/TARGET/s3cam-agent as scripts/agent-build.sh made it, raw and packed
//	memory        /proc/PID/status of the agent run natively (amd64, and 386 as the stand-in for 32-bit SoCs), 60 s of 5 Mbit/s
//	              1080p25 with sound in real time and a ring of 4 MiB: with a healthy server, and with one that stores nothing
//	instructions  of the whole agent below qemu-user, counted by a plugin: a long run minus a short one, per byte of transport
//	              stream between them, so that start and first handshake cancel out
//
// The camera is this program, which speaks the wire protocol as the C library does; the server is a TLS sink in this process
// that takes PUTs. A machine that emulates or is busy changes times, but neither counts nor memory by much.
package main
