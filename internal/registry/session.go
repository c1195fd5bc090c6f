// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/state"
)

// Bounds of a session, those of AWS IoT.
const (
	DefaultSession = time.Hour
	MinSession     = 15 * time.Minute
	MaxSession     = 12 * time.Hour
)

// Errors of Issue.
var (
	ErrCertificate = errors.New("the certificate is not one of a camera, or was taken away")
	ErrDisabled    = errors.New("the camera is disabled")
)

// maxToken bounds what is looked at of a session token; ours have about 230 bytes.
const maxToken = 1024

// Session is a set of temporary keys.
type Session struct {
	AccessKey, Camera string
	SecretKey, Token  s3server.Secret
	Expires           time.Time
}

// claims is what a session token says. Its short names save bytes in every request.
type claims struct {
	Key         string `json:"k"`
	Certificate string `json:"c"` // the fingerprint of the one it was given for
	Expires     int64  `json:"e"` // Unix seconds
}

// Holder returns the camera whose certificate this is. The certificate must have been verified against the authority. The error
// is ErrCertificate or ErrDisabled.
func (r *Registry) Holder(cert *x509.Certificate) (Camera, error) {
	return r.holder(r.now(), fingerprint(cert))
}

func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

func (r *Registry) holder(x *index, fingerprint string) (Camera, error) {
	e, ok := x.certificates[fingerprint]
	switch {
	case !ok || ended(e.ends, r.cfg.Now()):
		return Camera{}, ErrCertificate
	case x.record(e.camera).Disabled:
		return Camera{}, ErrDisabled
	}
	return x.record(e.camera).view(e.camera), nil
}

// Issue makes temporary keys for the camera of a certificate. Nothing is stored.
func (r *Registry) Issue(cert *x509.Certificate, life time.Duration) (Session, error) {
	c, err := r.Holder(cert)
	if err != nil {
		return Session{}, err
	}
	master, err := r.masterKey()
	if err != nil {
		return Session{}, err
	}
	s := Session{AccessKey: "S3CAMT" + rand.Text()[:14], Camera: c.ID, Expires: r.moment().Add(min(max(life, MinSession), MaxSession))}
	payload, err := json.Marshal(claims{s.AccessKey, fingerprint(cert), s.Expires.Unix()})
	if err != nil {
		return Session{}, err
	}
	text := base64.RawURLEncoding.EncodeToString(payload)
	s.Token = s3server.Secret(text + "." + derive(master, "token", text))
	s.SecretKey = s3server.Secret(derive(master, "secret", text))
	return s, nil
}

// derive is the HMAC of a text for one purpose.
func derive(master []byte, purpose, text string) string {
	h := hmac.New(sha256.New, master)
	fmt.Fprintf(h, "s3cam session %s\n%s", purpose, text)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (r *Registry) lookupSession(x *index, accessKey, token string) (s3server.Account, error) {
	if len(token) > maxToken {
		return s3server.Account{}, s3server.ErrInvalidToken
	}
	master, err := r.masterKey()
	if err != nil {
		return s3server.Account{}, err
	}
	c, text, err := parseToken(master, token)
	if err != nil || c.Key != accessKey || r.cfg.Now().Unix() >= c.Expires {
		return s3server.Account{}, s3server.ErrInvalidToken
	}
	camera, err := r.holder(x, c.Certificate)
	if err != nil {
		return s3server.Account{}, s3server.ErrUnknownKey
	}
	return r.account(x, camera.ID, s3server.Secret(derive(master, "secret", text)))
}

// parseToken checks a token's signature before it looks at what it says.
func parseToken(master []byte, token string) (c claims, text string, err error) {
	text, sum, ok := strings.Cut(token, ".")
	if !ok || !hmac.Equal([]byte(sum), []byte(derive(master, "token", text))) {
		return c, "", s3server.ErrInvalidToken
	}
	payload, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	return c, text, err
}

const masterBytes = 32

// masterKey reads the key that all session keys come from, and makes it when there is none.
func (r *Registry) masterKey() ([]byte, error) {
	if k := r.master.Load(); k != nil {
		return *k, nil
	}
	path := filepath.Join(r.cfg.Dir, authorityDir, "session.key")
	text, err := createOnce(path, func() ([]byte, error) {
		k := make([]byte, masterBytes)
		_, err := rand.Read(k)
		return []byte(hex.EncodeToString(k) + "\n"), err
	})
	if err != nil {
		return nil, err
	}
	k, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(k) != masterBytes {
		return nil, fmt.Errorf("registry: %s does not hold %d bytes in hex (hint: remove it; cameras with certificates then get new keys within seconds)", path, masterBytes)
	}
	r.master.Store(&k)
	return k, nil
}

// createOnce returns the content of a file, and makes it (mode 0600, on disk before it has its name) when there is none. Of
// several processes that make it at a time all get the same.
func createOnce(path string, content func() ([]byte, error)) ([]byte, error) {
	b, err := os.ReadFile(path)
	if !errors.Is(err, os.ErrNotExist) {
		return b, err
	}
	if b, err = content(); err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := state.MkdirAll(dir); err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, state.Adopt(tmp), tmp.Sync(), tmp.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // some file systems cannot
		d.Close()
	}
	return os.ReadFile(path)
}
