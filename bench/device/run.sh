#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the agents and the bench program and prints the report: make bench-device. One part of it: run.sh -part memory
set -eu
cd "$(dirname "$0")/../.."
scripts/agent-build.sh all 386 >&2
mkdir -p build/bench/device
cd bench
go build -o ../build/bench/device/device ./device
exec ../build/bench/device/device "$@"
