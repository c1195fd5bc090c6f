// SPDX-License-Identifier: Apache-2.0

// Package dist holds the tests of what ships around the agent: the init scripts and the sample configuration of deploy/, and the
// archives that scripts/dist.sh packs. It has no code of its own outside of its tests.
package dist
