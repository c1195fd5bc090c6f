// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net/netip"
	"path/filepath"

	"github.com/s3cam/s3cam/internal/standalone"
)

// accessFlags say who may watch.
type accessFlags struct {
	State        string   `placeholder:"DIR" help:"Directory of people, keys and other state. Default: that of --data, with --s3-url s3cam-state."`
	Login        bool     `help:"People have to log in on 127.0.0.1 too, even before there are any. Beyond it, with --host or --trusted-proxy, and as soon as there are people, they have to anyway."`
	PublicCamera []string `placeholder:"CAMERA" help:"Cameras that everyone may watch without a login: an id, yard/* for all that begin so, or *; separate several by commas."`
	TrustedProxy []string `placeholder:"NETWORK" help:"Proxies that are believed who the client is and whether he came by TLS (X-Forwarded-For, X-Forwarded-Proto), as 127.0.0.1 or 10.0.0.0/8; separate several by commas."`
}

func (f *accessFlags) apply(cfg *standalone.Config) error {
	cfg.Access.Login, cfg.Access.PublicCameras = f.Login, f.PublicCamera
	for _, text := range f.TrustedProxy {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			addr, aerr := netip.ParseAddr(text)
			if aerr != nil {
				return usage("--trusted-proxy: %q is neither an address nor a network, as 10.0.0.0/8", text)
			}
			network = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		}
		cfg.Access.TrustedProxies = append(cfg.Access.TrustedProxies, network.Masked())
	}
	if f.State != "" {
		dir, err := filepath.Abs(f.State)
		if err != nil {
			return fmt.Errorf("--state: %w", err)
		}
		cfg.State = dir
	}
	return nil
}

// setupBlock tells how the first person gets in.
func setupBlock(w io.Writer, a standalone.Addresses) {
	if a.Setup == "" {
		return
	}
	fmt.Fprintf(w, `  Nobody can log in yet. Make the first admin in a browser, at an address that is good once:
    %s

`, a.Setup)
}
