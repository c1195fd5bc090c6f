// SPDX-License-Identifier: Apache-2.0

// Package dynamostore keeps live windows (playback.WindowStore) in a DynamoDB table, for any number of Lambda instances and
// servers. Only who keeps windows there links the SDK for it. Its conformance tests are those of package cache.
//
// Bounds: items of 400 KB; long EVENT playlists are split into several.
package dynamostore
