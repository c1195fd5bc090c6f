// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/s3cam/s3cam/internal/standalone"
)

// cameraKeyFlags say how cameras with certificates get keys.
type cameraKeyFlags struct {
	CredentialsAddr string   `placeholder:"ADDR" help:"Address of the endpoint (TLS) where cameras get session keys for their certificates, as 192.168.1.10:8443; see s3cam camera add --certificate. Without it there is none."`
	CredentialsHost []string `placeholder:"NAME" help:"Names and IP addresses under which cameras reach that endpoint, besides those of this machine; separate several by commas."`
}

func (f *cameraKeyFlags) apply(cfg *standalone.Config) {
	cfg.CameraKeys = standalone.CameraKeys{CredentialsAddr: f.CredentialsAddr, Hosts: f.CredentialsHost}
}

// camerasBlock tells where cameras upload to and how one gets in. The pair that may do everything is for nobody to copy around,
// so its secret is not shown.
func camerasBlock(w io.Writer, a standalone.Addresses, data string) {
	fmt.Fprintf(w, `  S3 store for the cameras
    endpoint      %s
    bucket        %s   (region %s)
`, a.S3, a.Bucket, a.Region)
	if a.Credentials != "" {
		fmt.Fprintf(w, "    session keys  %s   (for cameras with certificates)\n", a.Credentials)
	}
	key := "as given"
	switch {
	case a.KeyMade:
		key = "in " + a.KeyFile + "   (made now)"
	case a.KeyFile != "":
		key = "in " + a.KeyFile
	}
	fmt.Fprintf(w, "    owner's key   %s\n\n  Give each camera a key of its own: s3cam camera add NAME --data %s\n\n", key, quoted(data))
}
