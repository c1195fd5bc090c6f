// SPDX-License-Identifier: Apache-2.0

// Package provision makes cameras known to AWS IoT, so that they get keys for their own part of the bucket: a thing per
// camera, whose name is the camera's prefix, and a certificate that holds the stack's IoT policy.
//
// It promises that the private key is made here and never leaves the machine but in the file that is written for the camera,
// that nothing of somebody else's is changed (things of this package carry the stack's name as an attribute), and that what
// was begun is taken back when a later step fails.
//
// Bounds: one camera at a time; it knows AWS IoT only. Cameras of the standalone server are not made here.
package provision
