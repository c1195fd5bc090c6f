// SPDX-License-Identifier: Apache-2.0

// Package doctor looks at everything that a server needs and that it does not have in its own hands: disk, clock, rights, store,
// names, certificate, ports, limits, cameras. Each check gives one or more [Line]s: what was found, and what to do about it.
//
// It changes nothing but what it takes away again: a file in the data directory, and an object below [ProbePrefix] in the
// store. It works beside a running server and without one, and, with Config.URL alone, from another machine. No line shows a
// secret. Each question to the network ends after [askTimeout]; a whole run asks one after the other. This package is internal
// and may change; the names of checks are stable, since programs read them.
package doctor
