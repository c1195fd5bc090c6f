// SPDX-License-Identifier: Apache-2.0

// Command generate writes global.yaml and china.yaml beside stack.yaml, in the current directory. `go generate` runs it.
package main

import (
	"fmt"
	"os"

	"github.com/s3cam/s3cam/deploy/cloudformation/split"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run() error {
	source, err := os.ReadFile("stack.yaml")
	if err != nil {
		return err
	}
	for _, partition := range []string{split.Global, split.China} {
		text, err := split.Template(source, partition, split.Header()...)
		if err != nil {
			return err
		}
		if err := os.WriteFile(partition+".yaml", text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
