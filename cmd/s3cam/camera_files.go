// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/registry"
)

// Names of a camera's files, as package provision has them.
const (
	cameraConf = "agent.conf"
	cameraKey  = "device.key"
	cameraCert = "device.crt"
	cameraCA   = "ca.crt"
	cameraPair = "credentials" // a key pair, in a file of its own that the agent reads again when it changes
)

// cameraOut is where a camera's files will go and what they will say.
type cameraOut struct {
	dir                 string // empty: nothing is written
	deviceDir           string
	certificate, rotate bool
	server              registry.Server
	ca                  []byte // of the store, from a file
	notes               []string
}

// prepare finds everything that can be wrong before a key is made.
func (f cameraOutFlags) prepare(name string, server registry.Server, certificate, rotate bool) (*cameraOut, error) {
	o := &cameraOut{dir: f.Out, deviceDir: f.DeviceDir, certificate: certificate, rotate: rotate, server: server}
	if strings.ContainsFunc(f.DeviceDir, unicode.IsControl) || !strings.HasPrefix(f.DeviceDir, "/") {
		return nil, usage("--device-dir: %q is no folder on a camera; give an absolute path, such as /etc/s3cam", f.DeviceDir)
	}
	if err := o.endpoints(f); err != nil {
		return nil, err
	}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(text) {
			return nil, usage("--ca: %s has no certificate in PEM form", f.CA)
		}
		o.ca = append(bytes.TrimSpace(text), '\n')
	} else if strings.HasPrefix(o.server.S3, "https:") {
		if o.ca = []byte(server.CA); len(o.ca) == 0 {
			o.ca = nil
			o.notes = append(o.notes, "it is not known who vouches for "+o.server.S3+": the agent will trust the roots of AWS alone; for another certificate give --ca FILE")
		}
	}
	if o.dir == "" && (certificate || o.ca != nil) {
		o.dir = strings.NewReplacer("/", "_", ":", "_").Replace(name)
	}
	if o.dir == "" {
		return o, nil
	}
	for _, file := range []string{cameraConf, cameraPair, cameraKey, cameraCert, cameraCA} {
		if path := filepath.Join(o.dir, file); exists(path) && !rotate {
			return nil, hint.With(fmt.Errorf("%s exists already", path), "choose another folder with --out, or move it away")
		}
	}
	return o, os.MkdirAll(o.dir, 0o700)
}

// endpoints says where the camera will find the server.
func (o *cameraOut) endpoints(f cameraOutFlags) error {
	s := &o.server
	if s.Bucket == "" {
		s.Bucket = "video"
	}
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	if f.Endpoint != "" {
		s.S3 = strings.TrimSuffix(f.Endpoint, "/")
	} else if s.S3 == "" {
		return hint.With(errors.New("it is not known where the server is"), "start s3cam serve with this --data once, or give --endpoint http://HOST:PORT")
	}
	u, err := url.Parse(s.S3)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return usage("--endpoint: %q is no address of a store, as http://192.168.1.10:9000", s.S3)
	}
	u.Host = o.reachable(u.Host, "the store", "--s3", "--endpoint")
	s.S3 = u.String()
	if !o.certificate {
		return nil
	}
	if f.CredentialsEndpoint != "" {
		s.Credentials = f.CredentialsEndpoint
	} else if s.Credentials == "" {
		return hint.With(errors.New("the server has no credential endpoint, which certificates need"), "start s3cam serve with --credentials-addr ADDRESS:8443, or give --credentials-endpoint")
	}
	if _, _, err := net.SplitHostPort(s.Credentials); err != nil {
		return usage("--credentials-endpoint: %q is not HOST:PORT", s.Credentials)
	}
	s.Credentials = o.reachable(s.Credentials, "the credential endpoint", "--credentials-addr", "--credentials-endpoint")
	if s.RoleAlias == "" {
		s.RoleAlias = "s3cam"
	}
	return nil
}

// reachable replaces an address on all interfaces by one that others can use, and says what it has chosen.
func (o *cameraOut) reachable(hostport, what, serveFlag, flag string) string {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	ip := net.ParseIP(host)
	if host == "" || ip != nil && ip.IsUnspecified() {
		host, ip = "127.0.0.1", net.IPv4(127, 0, 0, 1)
		addrs, _ := net.InterfaceAddrs() // none: loopback
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil && !n.IP.IsLinkLocalUnicast() {
				host, ip = n.IP.String(), n.IP
				break
			}
		}
		if !ip.IsLoopback() {
			o.notes = append(o.notes, fmt.Sprintf("the camera will look for %s at %s; if that is wrong, give %s", what, net.JoinHostPort(host, port), flag))
		}
	}
	if ip != nil && ip.IsLoopback() || host == "localhost" {
		o.notes = append(o.notes, fmt.Sprintf("only programs on this machine reach %s at %s; for others start serve with %s ADDRESS:PORT, or give %s",
			what, net.JoinHostPort(host, port), serveFlag, flag))
	}
	return net.JoinHostPort(host, port)
}

// write stores the files and returns what is to be told.
func (o *cameraOut) write(i registry.Issued) (handedOut, error) {
	h := handedOut{Name: i.Camera.ID, AccessKey: i.AccessKey, SecretKey: string(i.SecretKey), OldUntil: i.Ends, Config: o.conf(i)}
	if i.Pair != nil {
		h.Thing = i.Camera.Thing
	}
	if o.dir == "" {
		return h, checkConf(h.Config)
	}
	type file struct {
		name    string
		content []byte
		mode    fs.FileMode
		path    *string
	}
	files := []file{{cameraConf, []byte(h.Config), 0o600, &h.Files.Config}}
	if i.Pair == nil {
		files = append(files, file{cameraPair, o.pair(i), 0o600, &h.Files.Credentials})
	} else {
		files = append(files, file{cameraKey, i.Pair.Key, 0o600, &h.Files.Key}, file{cameraCert, i.Pair.Certificate, 0o644, &h.Files.Certificate})
	}
	if ca := append([]byte(i.Authority), o.ca...); len(ca) > 0 {
		files = append(files, file{cameraCA, ca, 0o644, &h.Files.CA})
	}
	for _, f := range files { // all or none gets its name
		if err := writeNew(filepath.Join(o.dir, f.name+".new"), f.content, f.mode); err != nil {
			return h, err
		}
	}
	for _, f := range files {
		*f.path = filepath.Join(o.dir, f.name)
		if o.rotate && exists(*f.path) {
			if err := os.Rename(*f.path, *f.path+".old"); err != nil {
				return h, err
			}
		}
		if err := os.Rename(*f.path+".new", *f.path); err != nil {
			return h, err
		}
	}
	return h, checkConf(h.Config)
}

func writeNew(path string, content []byte, mode fs.FileMode) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return errors.Join(err, w.Sync(), w.Close())
}

// checkConf lets the agent read what is handed out.
func checkConf(text string) error {
	f, err := os.CreateTemp("", "s3cam-agent-*.conf") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if _, err := agent.Load([]string{"--config", f.Name()}, nil); err != nil {
		return fmt.Errorf("the agent would not take this configuration: %w", err)
	}
	return nil
}

// conf is the agent's configuration file.
func (o *cameraOut) conf(i registry.Issued) string {
	var b strings.Builder
	at := func(name string) string { return quoted(strings.TrimSuffix(o.deviceDir, "/") + "/" + name) }
	fmt.Fprintf(&b, `# Settings of s3cam-agent for the camera %[1]s. docs/ref/agent.md describes all settings;
# s3cam-agent check --connect --config %[2]s tells whether they work.
# Keep this file to the agent (mode 600): what it holds or names shows who the camera is.

# Where the C library in the firmware connects to.
socket = /var/run/s3cam/agent.sock

# A folder that survives restarts, for the time that was last known.
#state = /var/lib/s3cam

endpoint = %[3]s
region = %[4]s
bucket = %[5]s
prefix = %[6]s
`, i.Camera.ID, at(cameraConf), o.server.S3, o.server.Region, o.server.Bucket, quoted(i.Camera.ID))
	if i.Pair != nil || o.ca != nil {
		fmt.Fprintf(&b, "\n# Who vouches for the server.\nca-file = %s\n", at(cameraCA))
	}
	if i.Pair == nil && o.dir != "" {
		fmt.Fprintf(&b, `
# The file with a key pair that can store segments below the prefix and do nothing else. Another one in its place is taken within seconds.
credentials-file = %s
`, at(cameraPair))
		return b.String()
	}
	if i.Pair == nil {
		fmt.Fprintf(&b, `
# A key pair that can store segments below the prefix and do nothing else.
access-key = %s
secret-key = %s
`, i.AccessKey, string(i.SecretKey))
		return b.String()
	}
	fmt.Fprintf(&b, `
# The certificate shows who the camera is; the server gives keys for it that are good for an hour and for the prefix.
iot-endpoint = %s
iot-role-alias = %s
iot-thing = %s
iot-cert = %s
iot-key = %s
`, o.server.Credentials, o.server.RoleAlias, i.Camera.Thing, at(cameraCert), at(cameraKey))
	return b.String()
}

// pair is a key pair in the form of the AWS shared credentials file.
func (o *cameraOut) pair(i registry.Issued) []byte {
	return fmt.Appendf(nil, `# Key pair of the camera %s. The agent takes a new file in place of this one without a restart.
[default]
aws_access_key_id = %s
aws_secret_access_key = %s
`, i.Camera.ID, i.AccessKey, string(i.SecretKey))
}
