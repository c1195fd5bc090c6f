// SPDX-License-Identifier: Apache-2.0

// Package webui serves the web site: the bundle that web/ builds into dist, embedded in the program.
//
// [Handler] gives one [net/http.Handler] for GET and HEAD of the files of dist and of config.json, which tells the page where
// the API is. Addresses inside the bundle are relative, so the handler may stand below any path (with
// [net/http.StripPrefix]). Names under assets/ carry a hash of their content and may be cached for ever; everything else
// is asked for again each time and answered by 304 when it did not change. Bodies are compressed once, when somebody
// first accepts gzip. The handler sets a content security policy without any inline script or style.
//
// Promise: internal. Bounds: the bundle is at most 260 kB compressed (a test keeps it so); nothing grows with use.
package webui
