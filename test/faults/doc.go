// SPDX-License-Identifier: Apache-2.0

// Package faults holds the tests of what happens when everything fails: the real programs, s3cam serve and s3cam-agent, with cameras and
// viewers around them, a transport between every pair that delays, cuts, stalls and corrupts, disks that are full, read-only or
// lose what was not synced, processes killed at random, and clients that mean harm. An auditor compares afterwards what was acknowledged with what is stored.
// It contains nothing but tests, and they need Linux; disks need root and are left out without it, which the tests say.
package faults
