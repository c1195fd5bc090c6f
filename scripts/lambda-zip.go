// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Packs files into a zip for AWS Lambda: lambda-zip ARCHIVE FILE... Names are those of the files without folders, sorted;
// all have the same date, and the mode that Lambda needs to read and run them, so that the same files give the same bytes.
package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: lambda-zip ARCHIVE FILE...")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "lambda-zip:", err)
		os.Exit(1)
	}
}

func pack(archive string, files []string) (err error) {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z := zip.NewWriter(f)
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) })
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		small := deflate(b)
		if back, err := io.ReadAll(flate.NewReader(bytes.NewReader(small))); err != nil || !bytes.Equal(back, b) {
			return fmt.Errorf("%s was compressed wrongly: %v", name, err)
		}
		h := &zip.FileHeader{
			Name: filepath.Base(name), Method: zip.Deflate, ModifiedDate: 1<<5 | 1, // 1 January 1980
			CRC32: crc32.ChecksumIEEE(b), CompressedSize64: uint64(len(small)), UncompressedSize64: uint64(len(b)),
		}
		h.SetMode(0o644)
		if h.Name == "bootstrap" {
			h.SetMode(0o755)
		}
		w, err := z.CreateRaw(h)
		if err != nil {
			return err
		}
		if _, err := w.Write(small); err != nil {
			return err
		}
	}
	return z.Close()
}
