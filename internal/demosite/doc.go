// SPDX-License-Identifier: Apache-2.0

// Package demosite is the custom resource of the AWS stack: what CloudFormation cannot make by itself. It
//
//   - writes the web site below a folder of the site bucket, with config.json saying where the API is;
//   - records the demo's video, 60 s from 2021-01-01 00:00:00 UTC on, with package uploader and the simulated camera of
//     package simcam, and stores it in the video bucket;
//   - asks AWS IoT for the address at which cameras get credentials.
//
// # What it wrote
//
// For each file of the site that it wrote, the site bucket has an empty object, a mark, named
// ".s3cam-site/<hash of the file>/<key of the file>". Marks lie outside the site's folder, where CloudFront serves nothing
// (with an empty Path it would serve empty objects). A file is written in the order: mark "-" in place of a hash, delete older
// marks, the file, its mark, delete "-". So whatever the program wrote has a mark, and a single mark with a hash says that
// the file has this very content, also after an interruption.
//
//   - Create and Update write the files that have no such single mark, or that the listing shows missing or of another size;
//     then they remove marked files that do not belong to the site any more (another Path, an older release), and the site in
//     the bucket of before the update. That last step failing is logged and no reason to fail: the marks stay.
//   - Delete removes the marked files and their marks. Anything else in the bucket stays.
//
// Names are all it needs: the role may list the site bucket, write and delete there, write below the demo's folder in the
// video bucket (no more: video is never listed, read or deleted), and call iot:DescribeEndpoint.
//
// The recording is the same bytes each time. A segment that exists is left as it is (If-None-Match), also one that an older
// release recorded differently: both decode, and video is never overwritten. Where VideoRetentionDays deletes the demo, the
// next Update stores it again.
//
// Bounds: at most 10,000 marks; the whole site and the recording are in memory (some 3 MB); 8 requests at a time. An
// event takes two listings, four requests per file written and one per segment of video: 54 at first, 22 when nothing changed.
// Internal.
package demosite
