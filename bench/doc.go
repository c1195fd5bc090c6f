// SPDX-License-Identifier: Apache-2.0

// Command bench measures s3cam side by side with its peers on the same input in one run, and fails when a goal of
// docs/design/performance.md is missed. It is a module of its own so that the peers stay out of the product's go.mod.
//
//	bench -only NAME -passes N -pack FILE   run one candidate N times over the input (what valgrind counts)
//	bench report                            run everything and print the tables
//
// Part load is no comparison: it puts a fleet of cameras and viewers on one server, measures latencies and audits for losses
// (package load).
//
// Instructions are slopes between two numbers of passes under valgrind, so that start-up cancels out. Times are CPU time
// (user + system) of interleaved rounds, medians, and only ever compared as ratios within the run.
package main
