// SPDX-License-Identifier: Apache-2.0

// Package browser holds the tests that need a browser: the page, hls.js, Video.js and ffmpeg against the real s3cam in
// headless Chromium. The Go test builds the program and runs the *.test.mjs files with Node.js; each of them starts its own
// s3cam on free ports. Without Node.js, Chromium or the npm packages of package-lock.json the tests are skipped and say so.
//
// Environment:
//
//	S3CAM_TEST_LONG=1          the rolling playlist is watched for 5 minutes instead of 40 seconds
//	S3CAM_TEST_ROLLING=2m      or for this long
//	S3CAM_TEST_SCREENSHOTS=DIR where screenshots go; default test/e2e/artifacts (not committed)
//
// Latencies are printed and only held against bounds that nothing but a fault exceeds: machines are shared and noisy. A
// stall, a segment fetched twice or left out, an error on the console or a failed request are always failures.
package browser
