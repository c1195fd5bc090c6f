// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"path/filepath"

	"github.com/s3cam/s3cam/internal/state"
)

// ServerFile is the name of the file in Config.Dir that tells where the server listens.
const ServerFile = "server.json"

// Server is where the server of a data directory was reached when it started last: what a camera's configuration needs.
type Server struct {
	S3          string `json:"s3"` // URL of the store, with the address that it listens on
	Bucket      string `json:"bucket"`
	Region      string `json:"region"`
	Credentials string `json:"credentials,omitempty"` // host:port of the credential endpoint, with the address that it listens on
	RoleAlias   string `json:"role_alias,omitempty"`
	CA          string `json:"ca,omitempty"` // certificates (PEM) that vouch for a store with https
}

// SaveServer keeps it for [LoadServer]. Nothing is written when it is known already.
func SaveServer(dir string, s Server) error {
	f, err := state.Open[Server](filepath.Join(dir, ServerFile), state.Disposable())
	if err != nil {
		return err
	}
	if have, err := f.Get(); err == nil && have == s {
		return nil
	}
	return f.Update(func(p *Server) error { *p = s; return nil })
}

// LoadServer returns what the server said last; the zero value when there was none.
func LoadServer(dir string) (Server, error) {
	f, err := state.Open[Server](filepath.Join(dir, ServerFile), state.Disposable())
	if err != nil {
		return Server{}, err
	}
	return f.Get()
}
