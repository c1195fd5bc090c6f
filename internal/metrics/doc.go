// SPDX-License-Identifier: Apache-2.0

// Package metrics counts what an operator of the standalone server has to know, and shows it in the form that Prometheus
// reads. docs/ref/metrics.md lists the metrics; their names are stable within a major version.
//
// [Metrics] is told about events (Stored, S3Request), stands before handlers (Web) and around what playback asks (Store,
// Windows, Playback). It does not decide anything and fails nothing.
//
// Bounds: at most Config.MaxCameras cameras have metrics of their own, all others are counted together under the name
// "(other)"; routes, methods, classes and outcomes are closed lists, so that no client can make a metric. The viewers of the last
// minute are told apart in a table of [maxViewers] hashes. Everything is safe for concurrent use. One goroutine of the
// caller's runs [Metrics.Watch]. This package is internal and may change.
package metrics
