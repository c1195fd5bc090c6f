// SPDX-License-Identifier: Apache-2.0

// Package cost estimates what cameras and their viewers cost per month on AWS: pure arithmetic over [Inputs] and [Prices].
//
// How it is built: quantities.go counts what is used (requests, GiB, milliseconds) for what the product really does;
// estimate.go prices each of these lines; levers.go estimates again with one input changed and tells the difference;
// manual.go repeats the arithmetic of the deployment manual of 2021 and names its slips. prices.go has the items that are
// priced and two example sets, pricefile.go reads and writes the file format.
//
// A month has 30 days, GiB are 2^30 bytes, prices are of the first tier: no free tier, no volume discount, no tax. The
// result is as good as the prices and assumptions that go in, and each assumption is a field of [Inputs].
//
// Experimental: fields may be added. Bounds: Check limits each input, a price file has at most [MaxPriceFile] bytes. Nothing
// here reads a clock, a file or the network; values may be used from several goroutines.
package cost
