#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of the module for the given time, one after the other: scripts/fuzz.sh [10s]
set -eu
for file in $(git grep -l '^func Fuzz' -- '*_test.go'); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "fuzz: $(dirname "$file") $target"
		go test -run "^$" -fuzzminimizetime 10x -fuzz "^$target\$" -fuzztime "${1:-10s}" "./$(dirname "$file")"
	done
done
