// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/s3cam/s3cam/internal/provision"
)

type cameraCmd struct {
	Add     cameraAddCmd     `cmd:"" help:"Make a camera known and write the files that it needs."`
	List    cameraListCmd    `cmd:"" help:"List the cameras, their keys and certificates."`
	Rotate  cameraRotateCmd  `cmd:"" help:"Give a camera a new key or certificate; the old one is good for a while."`
	Disable cameraDisableCmd `cmd:"" help:"Take no footage of a camera until it is enabled again. Its keys stay."`
	Enable  cameraEnableCmd  `cmd:"" help:"Take the footage of a disabled camera again."`
	Remove  cameraRemoveCmd  `cmd:"" help:"Take a camera's access away. Its footage is kept."`
}

// cameraFlags say whose cameras are meant: those of a stack in AWS, or of a standalone server.
type cameraFlags struct {
	Stack string `xor:"place" placeholder:"NAME" help:"The CloudFormation stack in AWS that the camera belongs to."`
	Data  string `xor:"place" placeholder:"DIR" help:"The directory of the server that the camera belongs to: what serve has as --data, or as --state. It may be running."`
	awsFlags
	JSON bool `help:"Print the result as JSON on standard output."`
}

// Validate is called by the parser. Were the flags themselves required, the help would ask for both.
func (f cameraFlags) Validate() error {
	if f.Stack == "" && f.Data == "" {
		return errors.New("missing flags: --stack=NAME or --data=DIR")
	}
	return nil
}

// open looks the stack up and joins package provision to it.
func (f cameraFlags) open(ctx context.Context, g *globals) (*provision.Provisioner, provision.Stack, error) {
	var stack provision.Stack
	cfg, err := f.load(ctx)
	if err != nil {
		return nil, stack, err
	}
	d, err := deployer(cfg, stackFlags{Stack: f.Stack}, g.env, nil)
	if err != nil {
		return nil, stack, err
	}
	s, err := d.Stack(ctx)
	if err != nil {
		return nil, stack, deployError(err)
	}
	stack = provision.Stack{Name: s.Name, Region: cfg.Region, Bucket: s.Outputs["VideoBucketName"], Endpoint: s.Outputs["IoTCredentialEndpoint"],
		RoleAlias: s.Outputs["DeviceRoleAliasName"], Policy: s.Outputs["DeviceIotPolicyName"]}
	if stack.Policy == "" {
		if stack.Policy, err = d.Resource(ctx, "DeviceIotPolicy"); err != nil {
			return nil, stack, deployError(err)
		}
	}
	p, err := provision.New(provision.Config{IoT: iot.NewFromConfig(cfg), Stack: stack,
		Report: func(text string) { fmt.Fprintln(g.err, text) }})
	return p, stack, err
}

// cameraError is deployError, with a plain word for an interruption after which nothing is left.
func cameraError(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !strings.Contains(err.Error(), "taken back") {
		return interrupted()
	}
	return deployError(err)
}

type cameraAddCmd struct {
	Name string `arg:"" help:"Name of the camera: its thing in AWS IoT, its folder in the bucket and its camera_id for playback. Letters, digits and : _ -, with --data any folder name and / between folders."`
	cameraFlags
	cameraOutFlags
	cameraLimitFlags
	Certificate bool `help:"With --data: a certificate, for session keys of serve --credentials-addr, instead of a key pair."`
	Renew       bool `help:"With --stack: a new certificate for a camera that exists. The old one goes on working."`
	RevokeOld   bool `help:"With --renew: deactivate the old certificates."`
}

// cameraOutFlags say what becomes of a camera's files.
type cameraOutFlags struct {
	Out       string `placeholder:"DIR" help:"Directory for the files. Without it: one of the camera's name; a key pair of --data is only printed."`
	DeviceDir string `default:"/etc/s3cam" placeholder:"DIR" help:"Where the files will lie on the camera; agent.conf names them there."`

	Endpoint            string `placeholder:"URL" help:"With --data: how the camera reaches the store, as http://192.168.1.10:9000. Default: where the server listened last."`
	CredentialsEndpoint string `placeholder:"HOST:PORT" help:"With --data: how the camera reaches serve --credentials-addr. Default: where the server listened last."`
	CA                  string `name:"ca" placeholder:"FILE" help:"With --data: certificates (PEM) that vouch for a store with https. Default: those that the server said last."`
}

func (cameraAddCmd) Help() string {
	return `With --data the camera gets a key pair that may store segments in its own folder and nothing else: in agent.conf, which is printed, or with
--out in a file credentials beside it, which can be replaced without a restart of the agent. With --certificate it gets a certificate
for session keys (device.key, device.crt). Where the server has TLS, ca.crt is what the camera trusts.

With --stack it makes a thing in AWS IoT and a certificate for a key that is made on this machine: only a signing request travels, the key
never does. With it the camera gets keys that are good for an hour and for its own folder in the bucket.
It writes device.key (mode 0600), device.crt and agent.conf, and prints the last of them. Copy the three to the camera; the agent has the roots that vouch
for AWS built in (Amazon Root CA 1 to 4, Starfield Services G2, DigiCert Global Root CA, G2 and G3).

Examples:
  s3cam camera add shop/door --data /var/lib/s3cam
  s3cam camera add shop/door --data /var/lib/s3cam --certificate --out door-files
  s3cam camera add door --stack s3cam --region eu-central-1
  s3cam camera add door --stack s3cam --renew --revoke-old --out new-files`
}

func (c *cameraAddCmd) Run(ctx context.Context, g *globals) error {
	if c.Data != "" {
		if c.Renew || c.RevokeOld {
			return usage("--renew and --revoke-old are for --stack; with --data there is s3cam camera rotate")
		}
		return c.addToServer(g)
	}
	if err := c.stackOnly(c.Certificate, c.cameraLimitFlags != cameraLimitFlags{}, c.Endpoint != "", c.CredentialsEndpoint != "", c.CA != ""); err != nil {
		return err
	}
	return c.addToStack(ctx, g)
}

// addToStack makes or renews a camera in AWS IoT.
func (c *cameraAddCmd) addToStack(ctx context.Context, g *globals) error {
	if err := provision.CheckName(c.Name); err != nil {
		return deployError(err)
	}
	p, stack, err := c.open(ctx, g)
	if err != nil {
		return err
	}
	dir := c.Out
	if dir == "" {
		dir = strings.ReplaceAll(c.Name, ":", "_")
	}
	added, err := p.Add(ctx, provision.AddOptions{Name: c.Name, Dir: dir, DeviceDir: c.DeviceDir, Renew: c.Renew, RevokeOld: c.RevokeOld})
	if err != nil {
		return cameraError(ctx, err)
	}
	if c.JSON {
		return printJSON(g.out, added)
	}
	f := added.Files
	fmt.Fprint(g.out, added.Config)
	fmt.Fprintf(g.err, `
This configuration, the certificate and the key are in
  %s
  %s
  %s
`, f.Config, f.Certificate, f.Key)
	fmt.Fprintf(g.err, `Next:
  copy the three files to the camera, into %[1]s; keep the key readable for the agent alone
  check there:     s3cam-agent check --connect --config %[2]s
  record:          s3cam-agent --config %[2]s
`, c.DeviceDir, filepath.ToSlash(filepath.Join(c.DeviceDir, "agent.conf")))
	for _, id := range added.StillActive {
		fmt.Fprintf(g.err, "note: an old certificate is still active; when the camera has its new files: aws iot update-certificate --new-status INACTIVE --region %s --certificate-id %s\n", stack.Region, id)
	}
	return nil
}

type cameraListCmd struct {
	cameraFlags
}

func (c *cameraListCmd) Run(ctx context.Context, g *globals) error {
	if c.Data != "" {
		return c.listServer(g)
	}
	p, _, err := c.open(ctx, g)
	if err != nil {
		return err
	}
	cameras, err := p.List(ctx)
	if err != nil {
		return cameraError(ctx, err)
	}
	if c.JSON {
		return printJSON(g.out, cameras)
	}
	w := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CAMERA\tCERTIFICATE\tSTATUS\tSINCE")
	for _, k := range cameras {
		for i, cert := range k.Certificates {
			name := k.Name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(w, "%s\t%.12s\t%s\t%s\n", name, cert.ID, cert.Status, cert.Created.UTC().Format(time.DateTime))
		}
		if len(k.Certificates) == 0 {
			fmt.Fprintf(w, "%s\tnone\t\t\n", k.Name)
		}
	}
	return w.Flush()
}

type cameraRemoveCmd struct {
	Name string `arg:"" help:"Name of the camera."`
	cameraFlags
}

func (cameraRemoveCmd) Help() string {
	return `With --data its keys and certificates, and the session keys that it holds, are good for nothing from now on.

With --stack it deactivates, detaches and deletes the camera's certificates, then its thing. Keys that the camera holds already are good for an
hour at most. The footage stays in the bucket and can be watched.`
}

func (c *cameraRemoveCmd) Run(ctx context.Context, g *globals) error {
	if c.Data != "" {
		return c.removeFromServer(g)
	}
	p, stack, err := c.open(ctx, g)
	if err != nil {
		return err
	}
	if err := p.Remove(ctx, c.Name); err != nil {
		return cameraError(ctx, err)
	}
	if c.JSON {
		return printJSON(g.out, map[string]string{"removed": c.Name, "bucket": stack.Bucket, "prefix": c.Name + "/"})
	}
	fmt.Fprintf(g.err, "the footage stays in %s/%s/\n", stack.Bucket, c.Name)
	return nil
}
