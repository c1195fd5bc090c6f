// SPDX-License-Identifier: Apache-2.0

// Package size holds the tests of what fits into a camera: the agent as it ships, built by scripts/agent-build.sh for each kind
// of SoC, must stay below a size in flash, declare little memory, be one static file, contain no HTTP library, and come out the
// same wherever it is built. The goals are those of docs/design/device.md; the figures are printed with `go test -v`.
//
// It has no code of its own outside of its tests. The five builds take a minute on two cores when nothing is cached, and the
// tests some 30 s more, most of it for xz.
package size
