// SPDX-License-Identifier: Apache-2.0

// Package e2e holds the tests of the whole product: the real program is built, started and used as a person would, with real
// footage (S3CAM_MEDIA, default ../shared/media beside the repository) and ffmpeg as the judge. It contains nothing else.
package e2e
