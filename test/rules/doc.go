// SPDX-License-Identifier: Apache-2.0

// Package rules holds the tests that keep the house in order: which package may import which (docs/ARCHITECTURE.md),
// licence headers, and texts that must not be committed. It contains nothing else.
package rules
