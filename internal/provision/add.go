// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// AddOptions describe a camera to be made.
type AddOptions struct {
	Name string
	Dir  string // where the files are written; it is made when it is not there
	// DeviceDir is where the files will lie on the camera, as the configuration names them; default /etc/s3cam.
	DeviceDir string
	Renew     bool // a new certificate for a camera that exists
	RevokeOld bool // with Renew: deactivate the certificates that it had
}

// DefaultDeviceDir is where the agent's files lie on a camera.
const DefaultDeviceDir = "/etc/s3cam"

// Added is a camera that was made or renewed.
type Added struct {
	Name          string   `json:"name"`
	ThingARN      string   `json:"thing_arn"`
	CertificateID string   `json:"certificate_id"`
	Files         Files    `json:"files"`
	Config        string   `json:"agent_conf"`            // the text of the configuration file
	Deactivated   []string `json:"deactivated,omitempty"` // ids of old certificates
	StillActive   []string `json:"still_active,omitempty"`
}

// undoTime bounds what is taken back after the context has ended.
const undoTime = 30 * time.Second

// Add makes the thing, a certificate for a key that is made here, and the files for the camera. When a step fails, what was
// made before it is taken back. Errors match the Err values of this package, or are those of AWS IoT.
func (p *Provisioner) Add(ctx context.Context, o AddOptions) (_ *Added, err error) {
	if err := CheckName(o.Name); err != nil {
		return nil, err
	}
	if o.RevokeOld && !o.Renew {
		return nil, fail(ErrName, "add --renew", "only a camera that is renewed has old certificates")
	}
	if o.DeviceDir == "" {
		o.DeviceDir = DefaultDeviceDir
	}
	if strings.ContainsFunc(o.DeviceDir, unicode.IsControl) || !strings.HasPrefix(o.DeviceDir, "/") {
		return nil, fail(ErrName, "give an absolute path, such as "+DefaultDeviceDir, "%q is no folder on a camera", o.DeviceDir)
	}
	thing, err := p.thing(ctx, o.Name)
	switch {
	case err != nil:
		return nil, err
	case thing == nil && o.Renew:
		return nil, fail(ErrAbsent, "leave --renew out to make it", "there is no camera %s to renew", o.Name)
	case thing != nil && !o.Renew:
		return nil, fail(ErrExists, "add --renew for a new certificate (add --revoke-old to deactivate the old one), or remove it first", "the camera %s exists already", o.Name)
	}
	var old []string
	if thing != nil {
		if old, err = p.principals(ctx, o.Name); err != nil {
			return nil, err
		}
	}
	files, err := newFiles(o)
	if err != nil {
		return nil, err
	}
	var undo []func(context.Context) error
	defer func() {
		if err == nil {
			return
		}
		files.discard()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		for _, f := range slices.Backward(undo) {
			if e := f(ctx); e != nil {
				err = errors.Join(err, fmt.Errorf("and it could not be taken back: %w", e))
			}
		}
	}()
	key, csr, err := newKey(o.Name)
	if err != nil {
		return nil, err
	}
	// The key is safe in its file before anybody vouches for it.
	if err := files.write(keyFile, key.pem, 0o600); err != nil {
		return nil, err
	}
	conf := p.conf(o)
	added := &Added{Name: o.Name, Config: string(conf)}
	if thing == nil {
		out, err := p.cfg.IoT.CreateThing(ctx, &iot.CreateThingInput{ThingName: &o.Name,
			AttributePayload: &types.AttributePayload{Attributes: map[string]string{stackAttribute: p.cfg.Stack.Name}}})
		if err != nil {
			return nil, err
		}
		added.ThingARN = aws.ToString(out.ThingArn)
		undo = append(undo, func(ctx context.Context) error { return p.deleteThing(ctx, o.Name) })
		p.say("made the thing %s", o.Name)
	} else {
		added.ThingARN = aws.ToString(thing.ThingArn)
	}
	cert, err := p.cfg.IoT.CreateCertificateFromCsr(ctx, &iot.CreateCertificateFromCsrInput{CertificateSigningRequest: aws.String(string(csr)), SetAsActive: true})
	if err != nil {
		return nil, err
	}
	arn, id := aws.ToString(cert.CertificateArn), aws.ToString(cert.CertificateId)
	undo = append(undo, func(ctx context.Context) error { return p.deleteCertificate(ctx, arn) })
	if added.CertificateID = id; !key.belongsTo(aws.ToString(cert.CertificatePem)) {
		return nil, errors.New("AWS IoT answers with a certificate for another key")
	}
	p.say("certificate %s", id)
	if err := files.write(certFile, []byte(aws.ToString(cert.CertificatePem)), 0o644); err != nil {
		return nil, err
	}
	if err := files.write(confFile, conf, 0o600); err != nil {
		return nil, err
	}
	if _, err := p.cfg.IoT.AttachPolicy(ctx, &iot.AttachPolicyInput{PolicyName: &p.cfg.Stack.Policy, Target: &arn}); err != nil {
		return nil, err
	}
	if _, err := p.cfg.IoT.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{ThingName: &o.Name, Principal: &arn}); err != nil {
		return nil, err
	}
	undo = append(undo, func(ctx context.Context) error {
		_, err := p.cfg.IoT.DetachThingPrincipal(ctx, &iot.DetachThingPrincipalInput{ThingName: &o.Name, Principal: &arn})
		return err
	})
	if added.Files, err = files.commit(); err != nil {
		return nil, err
	}
	undo = nil // from here on the camera is made
	p.say("it may record into %s/%s and do nothing else", p.cfg.Stack.Bucket, o.Name)
	for _, principal := range old {
		if !o.RevokeOld {
			added.StillActive = append(added.StillActive, certificateID(principal))
			continue
		}
		id := certificateID(principal)
		if _, err := p.cfg.IoT.UpdateCertificate(ctx, &iot.UpdateCertificateInput{CertificateId: &id, NewStatus: types.CertificateStatusInactive}); err != nil {
			return added, fmt.Errorf("the new certificate is made, but the old one %s is still active: %w", id, err)
		}
		added.Deactivated = append(added.Deactivated, id)
		p.say("deactivated the old certificate %s", id)
	}
	return added, nil
}

// thing looks a camera up; nil when there is none. A thing that is not of this stack is an error.
func (p *Provisioner) thing(ctx context.Context, name string) (*iot.DescribeThingOutput, error) {
	t, err := p.cfg.IoT.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: &name})
	switch {
	case codeOf(err) == notFound:
		return nil, nil
	case err != nil:
		return nil, err
	case t.Attributes[stackAttribute] == "":
		return nil, fail(ErrOther, "choose another name; or say that it is a camera of this stack: aws iot update-thing --thing-name "+name+
			" --attribute-payload 'attributes={"+stackAttribute+"="+p.cfg.Stack.Name+"},merge=true'", "there is a thing %s that s3cam did not make", name)
	case t.Attributes[stackAttribute] != p.cfg.Stack.Name:
		return nil, fail(ErrOther, "choose another name, or --stack "+t.Attributes[stackAttribute], "the camera %s belongs to the stack %s", name, t.Attributes[stackAttribute])
	}
	return t, nil
}

// privateKey is a P-256 key: small and quick on a camera.
type privateKey struct {
	pem []byte
	key *ecdsa.PrivateKey
}

// newKey makes a key and a request for a certificate that names the camera.
func newKey(name string) (k privateKey, csr []byte, err error) {
	if k.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return k, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return k, nil, err
	}
	k.pem = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	// A common name has at most 64 characters.
	request := &x509.CertificateRequest{Subject: pkix.Name{CommonName: name[:min(len(name), 64)]}}
	if der, err = x509.CreateCertificateRequest(rand.Reader, request, k.key); err != nil {
		return k, nil, err
	}
	return k, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

func (k privateKey) belongsTo(certificate string) bool {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		return false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false
	}
	public, ok := c.PublicKey.(*ecdsa.PublicKey)
	return ok && public.Equal(k.key.Public())
}

// conf is the configuration file of the agent.
func (p *Provisioner) conf(o AddOptions) []byte {
	s := p.cfg.Stack
	var b bytes.Buffer
	fmt.Fprintf(&b, `# Settings of s3cam-agent for the camera %[1]s of the stack %[2]s in %[3]s. docs/ref/agent.md describes all settings;
# s3cam-agent check --connect --config %[4]s/%[5]s tells whether they work. The key beside this file shows who the camera is:
# keep it (mode 600).

# Where the C library in the firmware connects to.
socket = /var/run/s3cam/agent.sock

# A folder that survives restarts, for the time that was last known.
#state = /var/lib/s3cam

region = %[3]s
bucket = %[6]s

# The certificate shows who the camera is; AWS IoT gives keys for it that are good for an hour and for this camera's prefix,
# which is the name of the thing. The roots that vouch for AWS are built into the agent.
iot-endpoint = %[7]s
iot-role-alias = %[8]s
iot-thing = %[1]s
iot-cert = %[4]s/%[9]s
iot-key = %[4]s/%[10]s
`, o.Name, s.Name, s.Region, o.DeviceDir, confFile, s.Bucket, s.Endpoint, s.RoleAlias, certFile, keyFile)
	return b.Bytes()
}
