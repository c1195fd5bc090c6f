// SPDX-License-Identifier: Apache-2.0

// Package credential says where a device gets its AWS credentials from: fixed ones ([Static]), the environment ([Env]), a file that
// is read again when it changes ([File]), the firmware ([Settable]), or the AWS IoT credential endpoint ([IoT]).
//
// Every [Provider] hands out whole values: what one call of Retrieve returns was valid together, and a request that uses one such value
// never mixes two sets of keys, however often they are replaced meanwhile. Secrets are sigv4.Secret and appear in no error and no log
// line.
//
// Bounds: files 64 KiB, answers of the IoT endpoint 16 KiB. Experimental: internal to this module.
package credential
