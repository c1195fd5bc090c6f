// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/registry"
)

// cameraLimitFlags are those of package registry; zero is its default.
type cameraLimitFlags struct {
	Grace     seconds `placeholder:"TIME" help:"With --data: for how long the camera may store a segment once more (default 10m). What is older stays as it is."`
	BackFill  seconds `placeholder:"TIME" help:"With --data: how old a segment may be that comes after an outage (default 744h, 31 days)."`
	MaxObject int     `placeholder:"MIB" help:"With --data: largest segment in MiB (default 64)."`
}

func (f cameraLimitFlags) limits() registry.Limits {
	return registry.Limits{Grace: f.Grace.d(), BackFill: f.BackFill.d(), MaxObject: int64(f.MaxObject) << 20}
}

// stackOnly refuses flags of the other half.
func (f cameraFlags) stackOnly(given ...bool) error {
	for _, g := range given {
		if g {
			return usage("--certificate, --endpoint, --credentials-endpoint, --ca, --grace, --back-fill, --max-object and --overlap are for --data, not for --stack")
		}
	}
	return nil
}

// openServer opens the registry of a server's directory. fresh: it need not have any camera.
func (f cameraFlags) openServer() (*registry.Registry, registry.Server, error) {
	var server registry.Server
	if fi, err := os.Stat(f.Data); err != nil || !fi.IsDir() {
		return nil, server, hint.With(fmt.Errorf("--data: there is no directory %s", f.Data), "it is the one of s3cam serve --data, which makes it when it starts")
	}
	server, err := registry.LoadServer(f.Data)
	if err != nil {
		return nil, server, err
	}
	bucket := server.Bucket
	if bucket == "" {
		bucket = "-" // nothing is checked against it here
	}
	r, err := registry.Open(registry.Config{Dir: f.Data, Bucket: bucket})
	return r, server, err
}

func registryError(err error) error {
	if errors.Is(err, registry.ErrName) || errors.Is(err, registry.ErrLimit) {
		return kinded{err, errUsage}
	}
	return err
}

// handedOut is what a command says about a camera's new key.
type handedOut struct {
	Name      string      `json:"name"`
	AccessKey string      `json:"access_key,omitempty"`
	SecretKey string      `json:"secret_key,omitempty"`
	Thing     string      `json:"thing,omitempty"`
	Files     cameraPaths `json:"files,omitzero"`
	Config    string      `json:"agent_conf"`
	OldUntil  time.Time   `json:"old_until,omitzero"` // when the former key or certificate ends
}

type cameraPaths struct {
	Config      string `json:"config,omitempty"`
	Credentials string `json:"credentials,omitempty"`
	Key         string `json:"key,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	CA          string `json:"ca,omitempty"`
}

func (c *cameraAddCmd) addToServer(g *globals) error {
	r, server, err := c.openServer()
	if err != nil {
		return err
	}
	out, err := c.prepare(c.Name, server, c.Certificate, false)
	if err != nil {
		return err
	}
	issued, err := r.Add(registry.AddOptions{ID: c.Name, Certificate: c.Certificate, Limits: c.limits()})
	if err != nil {
		return registryError(err)
	}
	handed, err := out.write(issued)
	if err != nil { // nobody has the key
		return errors.Join(err, r.Remove(c.Name))
	}
	return handed.print(g, c.JSON, c.DeviceDir, out.notes)
}

type cameraRotateCmd struct {
	Name string `arg:"" help:"Name of the camera."`
	cameraFlags
	cameraOutFlags
	Overlap   *seconds `placeholder:"TIME" help:"With --data: for how long the old key or certificate stays good beside the new one (default 24h; 0 ends it at once)."`
	RevokeOld bool     `help:"With --stack: deactivate the old certificates at once. Without it they stay active until you do."`
}

func (cameraRotateCmd) Help() string {
	return `A camera with a key pair gets another one, a camera with a certificate another certificate. Put the new files on the camera, see that segments
come, and leave the rest to --overlap. The agent takes new files named credentials or device.crt and device.key by itself; after a new
agent.conf restart it. After a theft use --overlap 0.

With --stack it is s3cam camera add --renew.

Examples:
  s3cam camera rotate door --data /var/lib/s3cam --overlap 72h
  s3cam camera rotate door --stack s3cam --out new-files`
}

func (c *cameraRotateCmd) Run(ctx context.Context, g *globals) error {
	if c.Data == "" {
		if err := c.stackOnly(c.Overlap != nil, c.Endpoint != "", c.CredentialsEndpoint != "", c.CA != ""); err != nil {
			return err
		}
		add := cameraAddCmd{Name: c.Name, cameraFlags: c.cameraFlags, cameraOutFlags: c.cameraOutFlags, Renew: true, RevokeOld: c.RevokeOld}
		return add.Run(ctx, g)
	}
	if c.RevokeOld {
		return usage("--revoke-old is for --stack; with --data it is --overlap 0")
	}
	r, server, err := c.openServer()
	if err != nil {
		return err
	}
	camera, ok := r.Camera(c.Name)
	out, err := c.prepare(c.Name, server, ok && len(camera.Certificates) > 0, true)
	if err != nil && ok {
		return err
	}
	overlap := registry.DefaultOverlap
	if c.Overlap != nil {
		overlap = c.Overlap.d()
	}
	issued, err := r.Rotate(c.Name, overlap)
	if err != nil {
		return registryError(err)
	}
	handed, err := out.write(issued)
	if err != nil {
		return hint.With(err, "the camera has a new key that nobody knows; rotate again with another --out")
	}
	return handed.print(g, c.JSON, c.DeviceDir, out.notes)
}

func (h handedOut) print(g *globals, asJSON bool, deviceDir string, notes []string) error {
	if asJSON {
		return printJSON(g.out, h)
	}
	fmt.Fprint(g.out, h.Config)
	if h.Files.Config != "" {
		fmt.Fprint(g.err, "\nThis configuration and what it names are in\n")
		for _, path := range []string{h.Files.Config, h.Files.Credentials, h.Files.Certificate, h.Files.Key, h.Files.CA} {
			if path != "" {
				fmt.Fprintf(g.err, "  %s\n", path)
			}
		}
	}
	conf := filepath.ToSlash(filepath.Join(deviceDir, "agent.conf"))
	put := "put it on the camera as " + conf + ", readable for the agent alone (mode 600)"
	if h.Files.Config != "" {
		put = "copy these files to the camera, into " + deviceDir + "; keep their modes: agent.conf and keys are for the agent alone"
	}
	fmt.Fprintf(g.err, `
Next:
  %[2]s; the secrets are not shown again
  check there:     s3cam-agent check --connect --config %[1]s
  record:          s3cam-agent --config %[1]s
`, conf, put)
	if !h.OldUntil.IsZero() {
		fmt.Fprintf(g.err, "note: the old key or certificate is good until %s UTC\n", h.OldUntil.UTC().Format(time.DateTime))
	}
	for _, n := range notes {
		fmt.Fprintf(g.err, "note: %s\n", n)
	}
	return nil
}

func (c *cameraListCmd) listServer(g *globals) error {
	r, _, err := c.openServer()
	if err != nil {
		return err
	}
	cameras, err := r.List()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(g.out, cameras)
	}
	w := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CAMERA\tSHOWS\tSTATUS\tSINCE\tUNTIL")
	now := time.Now()
	for _, k := range cameras {
		name := k.ID
		row := func(what, id string, since, until time.Time) {
			status := "active"
			switch {
			case k.Disabled:
				status = "disabled"
			case !until.IsZero() && !now.Before(until):
				status = "ended"
			case !until.IsZero():
				status = "old"
			}
			end := ""
			if !until.IsZero() {
				end = until.UTC().Format(time.DateTime)
			}
			fmt.Fprintf(w, "%s\t%s %s\t%s\t%s\t%s\n", name, what, id, status, since.UTC().Format(time.DateTime), end)
			name = ""
		}
		for _, key := range k.Keys {
			row("key", key.ID, key.Created, key.Ends)
		}
		for _, cert := range k.Certificates {
			row("certificate", cert.Fingerprint[:min(12, len(cert.Fingerprint))], cert.Created, cert.Ends)
		}
	}
	return w.Flush()
}

func (c *cameraRemoveCmd) removeFromServer(g *globals) error {
	r, server, err := c.openServer()
	if err != nil {
		return err
	}
	if err := r.Remove(c.Name); err != nil {
		return registryError(err)
	}
	if c.JSON {
		return printJSON(g.out, map[string]string{"removed": c.Name, "bucket": server.Bucket, "prefix": c.Name + "/"})
	}
	fmt.Fprintf(g.err, "the footage stays in %s/%s/\n", server.Bucket, c.Name)
	return nil
}

type cameraDisableCmd struct {
	Name string `arg:"" help:"Name of the camera."`
	cameraFlags
}

func (c *cameraDisableCmd) Run(g *globals) error { return c.cameraFlags.disable(g.out, c.Name, true) }

type cameraEnableCmd struct {
	Name string `arg:"" help:"Name of the camera."`
	cameraFlags
}

func (c *cameraEnableCmd) Run(g *globals) error { return c.cameraFlags.disable(g.out, c.Name, false) }

func (f cameraFlags) disable(w io.Writer, name string, disabled bool) error {
	if f.Data == "" {
		return hint.With(usage("cameras of a stack in AWS cannot be disabled here"), "aws iot update-certificate --new-status INACTIVE does it")
	}
	r, _, err := f.openServer()
	if err != nil {
		return err
	}
	if err := r.Disable(name, disabled); err != nil {
		return registryError(err)
	}
	if f.JSON {
		return printJSON(w, map[string]any{"name": name, "disabled": disabled})
	}
	return nil
}

// quoted is a value of agent.conf.
func quoted(s string) string {
	if strings.ContainsAny(s, ` "#;`) {
		return `"` + s + `"`
	}
	return s
}

// exists tells whether a name is taken.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
