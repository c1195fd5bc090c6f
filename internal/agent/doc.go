// SPDX-License-Identifier: Apache-2.0

// Package agent is the process beside a camera's firmware: it takes frames from a local socket (package internal/wire), a file or a pipe and
// lets package uploader store them. It joins the device's rooms: uploader, s3put, credential and spool; cmd/s3cam-agent is only its main.
//
//	firmware ──► shim ──► connection ──► assembler ──► uploader ──► s3put ──► S3
//	            (csdk)    (one camera)   (one access                 ▲
//	                                      unit at a time)            └── credential, spool
//
// Ways to run: with a connected socket that the shim handed over (Config.FD), listening on a Unix socket for several cameras
// (Config.Socket), reading streams (CameraConfig.Input), or the last two together.
//
// Bounds: MaxCameras cameras; each has its ring, an access unit of MaxAccessUnit at most, and 32 reports that wait for a slow reader.
// Everything that comes over a socket is untrusted. Experimental: internal to this module; the command line and the wire format
// are what others may rely on (docs/ref/agent.md, docs/ref/wire.md).
package agent
