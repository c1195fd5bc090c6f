// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"

	"github.com/s3cam/s3cam/internal/buildinfo"
)

type versionCmd struct {
	JSON bool `help:"Print it as JSON."`
}

func (c *versionCmd) Run(g *globals) error {
	info := buildinfo.Read()
	if c.JSON {
		e := json.NewEncoder(g.out)
		e.SetIndent("", "  ")
		return e.Encode(info)
	}
	_, err := fmt.Fprintln(g.out, "s3cam", info)
	return err
}
