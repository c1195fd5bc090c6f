#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of the module for the given time, one after the other, and lists at the end those that found something:
# scripts/fuzz.sh [10s]
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()
count=0
for file in $(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz'); do
	while read -r target; do
		echo "fuzz: $(dirname "$file") $target"
		count=$((count + 1))
		if ! go test -run "^$" -fuzzminimizetime 10x -fuzz "^$target\$" -fuzztime "${1:-10s}" "./$(dirname "$file")" 2>&1 </dev/null | tee "$log"; then
			# The end of the time, met in the middle of an input, is reported as a failure by go test now and then: no input, no finding.
			if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
				echo "fuzz: the time was over, nothing was found"
			else
				failed+=("$(dirname "$file") $target")
			fi
		fi
	done < <(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file")
done
echo "fuzz: $count targets, ${#failed[@]} with findings"
for f in ${failed+"${failed[@]}"}; do echo "  $f"; done
[ ${#failed[@]} = 0 ]
