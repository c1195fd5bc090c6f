// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// CredentialsFile is the name of the file LoadOrCreateCredentials keeps in its directory.
const CredentialsFile = "s3-credentials.json"

const redacted = "REDACTED"

// Secret is a secret key that prints, logs and marshals as REDACTED. Convert it to string to use it.
type Secret string

// String returns REDACTED, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for encoding/json and friends.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Credentials is a key pair.
type Credentials struct {
	AccessKey string
	SecretKey Secret
	Created   bool   // made by this call
	File      string // where the pair is kept; empty when it was given
	Readable  bool   // the file can be read by users other than its owner
}

type credentialsFile struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

// LoadOrCreateCredentials returns the engine's key pair. A pair given as access and secret wins and is not stored. Otherwise
// the pair in dir/CredentialsFile is used, and when there is none a random one is made and stored there with mode 0600.
// dir is created when missing. Giving only one of access and secret is an error, and so is an unreadable or broken file: it
// is never replaced. Two processes that start at once get the same pair.
func LoadOrCreateCredentials(dir, access, secret string) (Credentials, error) {
	if (access == "") != (secret == "") {
		return Credentials{}, errors.New("S3 credentials: access key and secret key belong together")
	}
	if access != "" {
		if err := checkAccessKey(access); err != nil {
			return Credentials{}, fmt.Errorf("S3 credentials: access key %w", err)
		}
		return Credentials{AccessKey: access, SecretKey: Secret(secret)}, nil
	}
	name := filepath.Join(dir, CredentialsFile)
	cred, err := readCredentials(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return cred, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Credentials{}, fmt.Errorf("S3 credentials: %w", err)
	}
	if err := createCredentials(dir, name); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was faster
			return readCredentials(name)
		}
		return Credentials{}, fmt.Errorf("S3 credentials: %w", err)
	}
	cred, err = readCredentials(name)
	cred.Created = err == nil
	return cred, err
}

// LoadCredentials returns the pair in dir/CredentialsFile and makes none; the error wraps fs.ErrNotExist when there is none.
func LoadCredentials(dir string) (Credentials, error) {
	return readCredentials(filepath.Join(dir, CredentialsFile))
}

const brokenHint = " (hint: correct the file, or remove it: a new key pair is made then, which the cameras need)"

func readCredentials(name string) (Credentials, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return Credentials{}, fmt.Errorf("S3 credentials: %w", err)
	}
	st, err := os.Stat(name)
	if err != nil {
		return Credentials{}, fmt.Errorf("S3 credentials: %w", err)
	}
	var f credentialsFile
	if err := json.Unmarshal(b, &f); err != nil {
		return Credentials{}, fmt.Errorf("S3 credentials: %s is not JSON: %w%s", name, err, brokenHint)
	}
	if err := checkAccessKey(f.AccessKey); err != nil {
		return Credentials{}, fmt.Errorf("S3 credentials: %s: access_key %w%s", name, err, brokenHint)
	}
	if f.SecretKey == "" {
		return Credentials{}, fmt.Errorf("S3 credentials: %s: secret_key is empty%s", name, brokenHint)
	}
	return Credentials{AccessKey: f.AccessKey, SecretKey: Secret(f.SecretKey), File: name, Readable: st.Mode().Perm()&0o077 != 0}, nil
}

// createCredentials writes a fresh pair to a temporary file and links it to name, so that name is whole or absent, and never
// replaces a name that exists.
func createCredentials(dir, name string) error {
	b, err := json.MarshalIndent(credentialsFile{AccessKey: "S3CAM" + rand.Text()[:15], SecretKey: rand.Text() + rand.Text()}, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+CredentialsFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(b, '\n'))
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Link(tmp.Name(), name)
	}
	if err == nil {
		err = syncDir(dir)
	}
	return err
}

// checkAccessKey accepts what fits into an Authorization header's credential scope.
func checkAccessKey(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '/' || c == ',' || c == '=' {
			return fmt.Errorf("%q holds a character that does not fit into a signature", s)
		}
	}
	return nil
}
