// SPDX-License-Identifier: Apache-2.0

// Package redisstore keeps live windows (playback.WindowStore) in a Redis or Valkey server, for any number of servers. Only who
// keeps windows there links the client for it. Its conformance tests are those of package cache.
package redisstore
