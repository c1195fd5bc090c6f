// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Goals in MB, as test/size checks them, and the stripped static program of the original SDK with OpenSSL 1.1.1 and curl.
var flashGoals = []struct {
	target   string
	raw, xz  float64
	original string
}{
	{"mipsle", 5.5, 1.45, "4.08"},
	{"arm5", 5.0, 1.50, "-"},
	{"arm7", 5.0, 1.50, "2.28"},
	{"arm64", 4.7, 1.45, "-"},
	{"amd64", 5.1, 1.70, "3.83"},
}

func sizes(o options, w io.Writer) error {
	rows := [][]string{{"target", "raw MB", "goal", "", "xz -9e MB", "goal", "", ".noptrbss kB", "original SDK, static program MB"}}
	for _, g := range flashGoals {
		file, err := o.agent(g.target)
		if err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		raw := float64(info.Size()) / 1e6
		packed, xz := "no xz here", 0.0
		if out, err := exec.Command("xz", "-9e", "-c", file).Output(); err == nil {
			xz = float64(len(out)) / 1e6
			packed = fmt.Sprintf("%.3f", xz)
		} else if !errors.Is(err, exec.ErrNotFound) {
			return err
		}
		bss, err := noptrbss(file)
		if err != nil {
			return err
		}
		rows = append(rows, []string{g.target, fmt.Sprintf("%.3f", raw), fmt.Sprintf("%.2f", g.raw), verdict(raw, g.raw), packed, fmt.Sprintf("%.2f", g.xz),
			verdict(xz, g.xz), fmt.Sprint(bss / 1000), g.original})
	}
	table(w, "Flash", rows)
	return nil
}

func noptrbss(file string) (uint64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	s := f.Section(".noptrbss")
	if s == nil {
		return 0, fmt.Errorf("%s has no section .noptrbss", file)
	}
	return s.Size, nil
}
