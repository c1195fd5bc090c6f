// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/credential"
	"github.com/s3cam/s3cam/internal/sigv4"
)

func TestParseFile(t *testing.T) {
	plain := sigv4.Credentials{AccessKeyID: someID, SecretAccessKey: someSecret}
	ini := func(section string, c sigv4.Credentials) string {
		s := fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", section, c.AccessKeyID, string(c.SecretAccessKey))
		if c.SessionToken != "" {
			s += "aws_session_token = " + string(c.SessionToken) + "\n"
		}
		return s
	}
	tests := []struct {
		name, text, profile string
		want                sigv4.Credentials
		err                 string
	}{
		{"one section", ini("default", some), "default", some, ""},
		{"the section asked for", ini("default", plain) + "\n" + ini("cam", some) + ini("z", plain), "cam", some, ""},
		{"a section of the configuration file", ini("profile cam", some), "cam", some, ""},
		{"blanks in the section", ini(" cam ", some), "cam", some, ""},
		{"without a section", strings.SplitAfterN(ini("x", some), "\n", 2)[1], "whatever", some, ""},
		{"comments, blank lines, other names", "# a\n; b\n\nregion = eu-west-1\n" + ini("default", plain) + "cli_pager=\n", "default", plain, ""},
		{"no blanks around =", "aws_access_key_id=" + someID + "\naws_secret_access_key=" + someSecret + "\n", "default", plain, ""},
		{"a secret with = in it", ini("default", sigv4.Credentials{AccessKeyID: someID, SecretAccessKey: "ab=cd=="}), "default",
			sigv4.Credentials{AccessKeyID: someID, SecretAccessKey: "ab=cd=="}, ""},
		{"Windows line ends and a BOM", "\uFEFF" + strings.ReplaceAll(ini("default", some), "\n", "\r\n"), "default", some, ""},
		{"environment variables of a shell", "export AWS_ACCESS_KEY_ID='" + someID + "'\nexport AWS_SECRET_ACCESS_KEY=\"" + someSecret + "\"\n", "default", plain, ""},
		{"short names", "access_key_id=" + someID + "\nsecret_access_key=" + someSecret + "\n", "default", plain, ""},
		{"the old name of the token", "aws_access_key_id=" + someTempID + "\naws_secret_access_key=" + someSecret + "\naws_security_token=" + someToken + "\n", "default", some, ""},
		{"the secret first, no last line end", "aws_secret_access_key=" + someSecret + "\naws_access_key_id=" + someID, "default", plain, ""},
		{"another section only", ini("other", some), "default", sigv4.Credentials{}, "no section [default]"},
		{"empty", "", "default", sigv4.Credentials{}, "id is empty"},
		{"cut off before the secret", ini("default", some)[:50], "default", sigv4.Credentials{}, "secret access key is empty"},
		{"no last line end", strings.TrimSuffix(ini("default", plain), "\n"), "default", plain, ""},
		{"cut off before the token", ini("default", sigv4.Credentials{AccessKeyID: someTempID, SecretAccessKey: someSecret}), "default", sigv4.Credentials{}, "token is missing"},
		{"zeros, as after a power cut", strings.Repeat("\x00", 200), "default", sigv4.Credentials{}, "id is empty"},
		{"a secret of two words", "aws_access_key_id=" + someID + "\naws_secret_access_key=" + someSecret + " x\n", "default", sigv4.Credentials{}, "characters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := credential.ParseFile(tt.text, tt.profile)
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("ParseFile = %s, secret and token right: %v; %v, want %s, %q", got.AccessKeyID, got == tt.want, err, tt.want.AccessKeyID, tt.err)
			}
			if err != nil {
				hides(t, "the error", err.Error())
			}
		})
	}
}

// keyFile is a credentials file and a clock.
type keyFile struct {
	t    *testing.T
	path string
	now  time.Time
	log  bytes.Buffer
	p    *credential.File
}

func newKeyFile(t *testing.T) *keyFile {
	k := &keyFile{t: t, path: filepath.Join(t.TempDir(), "credentials"), now: time.Unix(1e9, 0)}
	k.p = credential.NewFile(credential.FileConfig{Path: k.path, Now: func() time.Time { return k.now },
		Logger: slog.New(slog.NewTextHandler(&k.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(func() { hides(t, "the log", k.log.String()) })
	return k
}

// text is a file with the credentials of number n.
func text(n int) string {
	c := numbered(n)
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", c.AccessKeyID,
		string(c.SecretAccessKey), string(c.SessionToken))
}

func numbered(n int) sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: fmt.Sprintf("ASIA%016d", n), SecretAccessKey: sigv4.Secret(fmt.Sprintf("%s%d", someSecret, n)),
		SessionToken: sigv4.Secret(fmt.Sprintf("%s%d", someToken, n))}
}

// write writes in place.
func (k *keyFile) write(s string) {
	k.t.Helper()
	if err := os.WriteFile(k.path, []byte(s), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keyFile) replace(s string) {
	k.t.Helper()
	if err := os.WriteFile(k.path+".new", []byte(s), 0o600); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Rename(k.path+".new", k.path); err != nil {
		k.t.Fatal(err)
	}
}

// want checks that the credentials are those of number n.
func (k *keyFile) want(n int) {
	k.t.Helper()
	if got := retrieve(k.t, k.p); got != numbered(n) {
		k.t.Errorf("Retrieve = %s, want number %d", got.AccessKeyID, n)
	}
}

func TestAFileIsReadAgainWhenItHasChanged(t *testing.T) {
	k := newKeyFile(t)
	if _, err := k.p.Retrieve(t.Context()); !errors.Is(err, credential.ErrNone) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	k.now = k.now.Add(time.Second)
	k.write(text(1)) // it comes later
	k.want(1)
	k.replace(text(2))
	for range 4 { // noticed, then quiet for a second
		k.now = k.now.Add(500 * time.Millisecond)
		retrieve(t, k.p)
	}
	k.want(2)
	k.now = k.now.Add(-time.Hour) // the clock is set back
	k.replace(text(3))
	for range 3 {
		k.now = k.now.Add(time.Second)
		retrieve(t, k.p)
	}
	k.want(3)
}

// Whoever writes in place is seen at each stage; only the last one may be used.
func TestAFileThatIsBeingWrittenLeavesTheOldCredentials(t *testing.T) {
	k := newKeyFile(t)
	k.write(text(1))
	k.want(1)
	next := text(2)
	for n := range len(next) {
		k.write(next[:n])
		k.now = k.now.Add(900 * time.Millisecond)
		k.want(1)
		k.want(1)
	}
	k.write(next)
	for range 3 {
		k.now = k.now.Add(time.Second)
		retrieve(t, k.p)
	}
	k.want(2)
	k.write("")
	for range 5 {
		k.now = k.now.Add(time.Second)
		k.want(2)
	}
	os.Remove(k.path)
	for range 5 {
		k.now = k.now.Add(time.Second)
		k.want(2)
	}
	if n := strings.Count(k.log.String(), "the last ones stay"); n < 2 || n > 6 {
		t.Errorf("%d lines about files that cannot be used, want one each time the reason is another one:\n%s", n, k.log.String())
	}
}

// A last line without an end may be the first half of a longer one. When nothing more comes it is whole.
func TestAFileWithoutALastLineEndIsUsedWhenItIsQuiet(t *testing.T) {
	for name, whole := range map[string]string{"the secret last": strings.Split(text(1), "aws_session_token")[0] + "\n", "the token last": text(1)} {
		t.Run(name, func(t *testing.T) {
			k := newKeyFile(t)
			whole = strings.Replace(strings.TrimSpace(whole), "ASIA", "AKIA", 1)
			k.write(whole[:len(whole)-5])
			for range 2 {
				if _, err := k.p.Retrieve(t.Context()); !errors.Is(err, credential.ErrNone) || !strings.Contains(err.Error(), "half written") {
					t.Errorf("Retrieve = %v", err)
				}
				if err := k.p.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "half written") {
					t.Errorf("Refresh = %v", err)
				}
				k.now = k.now.Add(700 * time.Millisecond)
				k.write(whole[:len(whole)-2])
			}
			k.write(whole)
			k.p.Retrieve(t.Context())
			for range 2 { // noticed, then quiet for a second
				k.now = k.now.Add(time.Second)
				k.p.Retrieve(t.Context())
			}
			want, err := credential.ParseFile(whole, "default")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.p.Retrieve(t.Context()); err != nil || got != want {
				t.Errorf("Retrieve = %s, %v", got.AccessKeyID, err)
			}
			k.now = k.now.Add(2 * time.Minute)
			if err := k.p.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "still has") {
				t.Errorf("Refresh of the same = %v", err)
			}
			// After a start a file that is older than a second is quiet.
			info, err := os.Stat(k.path)
			if err != nil {
				t.Fatal(err)
			}
			p := credential.NewFile(credential.FileConfig{Path: k.path, Now: func() time.Time { return info.ModTime().Add(time.Second) }})
			if got := retrieve(t, p); got != want {
				t.Errorf("after a start Retrieve = %s", got.AccessKeyID)
			}
		})
	}
}

// Two writes within one tick of the file system's clock (2 s on FAT), or a copy that preserves times, look like none.
func TestAFileThatLooksTheSameIsReadAgainAfterAMinute(t *testing.T) {
	k := newKeyFile(t)
	at := time.Unix(2e9, 0)
	write := func(n int) {
		k.write(text(n))
		if err := os.Chtimes(k.path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	k.want(1)
	write(2)
	k.now = k.now.Add(2 * time.Second)
	k.want(1) // nothing tells of it
	k.now = k.now.Add(time.Minute)
	k.want(2)
	write(3)
	if err := k.p.Refresh(t.Context()); err != nil {
		t.Errorf("Refresh = %v", err)
	}
	k.want(3)
}

func TestRefreshReadsTheFileAtOnce(t *testing.T) {
	k := newKeyFile(t)
	k.write(text(1))
	k.want(1)
	k.now = k.now.Add(time.Minute)
	if err := k.p.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "still has") {
		t.Errorf("Refresh without new credentials = %v", err)
	}
	k.replace(text(2))
	if err := k.p.Refresh(t.Context()); err != nil {
		t.Errorf("Refresh = %v", err)
	}
	k.want(2)
	// Another request with the old ones is refused a moment later.
	k.now = k.now.Add(time.Second)
	if err := k.p.Refresh(t.Context()); err != nil {
		t.Errorf("Refresh just after it = %v", err)
	}
	k.write("nonsense")
	if err := k.p.Refresh(t.Context()); !errors.Is(err, credential.ErrNone) {
		t.Errorf("Refresh of nonsense = %v", err)
	}
	k.want(2)
}

func TestAFileForEverybodyIsWarnedAboutOnce(t *testing.T) {
	k := newKeyFile(t)
	k.write(text(1))
	k.want(1)
	if strings.Contains(k.log.String(), "everybody") {
		t.Errorf("a warning about mode 600: %s", k.log.String())
	}
	if err := os.Chmod(k.path, 0o644); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		k.write(text(n))
		k.now = k.now.Add(time.Minute)
		if err := k.p.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(k.log.String(), "chmod 600"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, k.log.String())
	}
}

func TestAFileThatIsNoCredentialsFileIsRefused(t *testing.T) {
	for name, s := range map[string]string{"too large": strings.Repeat("# comment\n", 7000), "a key in PEM form": "-----BEGIN EC PRIVATE KEY-----\n" + someSecret + "\n"} {
		k := newKeyFile(t)
		k.write(s)
		if _, err := k.p.Retrieve(t.Context()); !errors.Is(err, credential.ErrNone) {
			t.Errorf("%s: %v", name, err)
		} else {
			hides(t, name, err.Error())
		}
	}
	p := credential.NewFile(credential.FileConfig{Path: t.TempDir()})
	if _, err := p.Retrieve(t.Context()); !errors.Is(err, credential.ErrNone) {
		t.Errorf("a folder: %v", err)
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add(text(1), "default")
	f.Add("export AWS_ACCESS_KEY_ID='x'\naws_secret_access_key=\"y\"\n", "default")
	f.Add("[profile a]\naws_access_key_id\n=\n[", "a")
	f.Fuzz(func(t *testing.T, s, profile string) {
		c, err := credential.ParseFile(s, profile)
		if err == nil {
			err = credential.Check(c)
			if err != nil {
				t.Errorf("accepted although %v", err)
			}
		} else if c != (sigv4.Credentials{}) {
			t.Error("an error, and credentials")
		}
	})
}
