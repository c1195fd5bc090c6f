// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/s3cam/s3cam/internal/access/token"
)

// Role is what a person may do.
type Role string

// The roles.
const (
	Admin  Role = "admin"  // everything
	Viewer Role = "viewer" // watch and clip the cameras that Person.Cameras names
)

const (
	maxPeople  = 1000
	maxCameras = 256
	maxName    = 64
)

// Person may log in.
type Person struct {
	Name    string    `json:"name"` // small letters, digits, and . _ @ - inside
	Role    Role      `json:"role"`
	Cameras []string  `json:"cameras,omitempty"` // of a viewer, as token.Match takes them
	Share   bool      `json:"share,omitempty"`   // a viewer who may make links for others; an admin may
	Created time.Time `json:"created"`

	ID       string `json:"id,omitempty"` // random; links that the person has made hold it too and end with it
	Password hash   `json:"password"`
	Stamp    string `json:"stamp"` // random; sessions hold it too and end when it changes
}

// hash is a password's, and not for logs.
type hash string

func (hash) String() string       { return "REDACTED" }
func (hash) GoString() string     { return "REDACTED" }
func (hash) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// may tells whether a person has a right to a camera. Both roles have both rights.
func (p *Person) may(camera string) bool {
	return p.Role == Admin || p.Role == Viewer && token.Match(p.Cameras, camera)
}

func (p *Person) mayShare() bool { return p.Role == Admin || p.Share }

// CleanName makes the name under which a person is kept out of what was typed: capitals do not count.
func CleanName(name string) (string, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || len(name) > maxName {
		return "", fmt.Errorf("a name has 1 to %d characters", maxName)
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || i > 0 && strings.IndexByte("._@-", c) >= 0) {
			return "", errors.New("a name consists of letters a-z, digits, and . _ @ - after the first")
		}
	}
	return name, nil
}

// CheckPattern tells what is wrong with the name of a camera or group of cameras, see token.Match.
func CheckPattern(p string) error {
	body := strings.TrimSuffix(p, "*")
	switch {
	case p == "":
		return errors.New("a camera is empty")
	case len(p) > 1024 || !utf8.ValidString(p):
		return errors.New("a camera is too long or no UTF-8")
	case strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("a camera has a control character")
	case strings.HasPrefix(p, "/"), strings.HasSuffix(p, "/"):
		return fmt.Errorf("camera %q begins or ends with a slash; write %s/* for all below", p, strings.Trim(p, "/"))
	case strings.Contains(body, "*"):
		return fmt.Errorf("camera %q: a * stands at the end only", p)
	}
	return nil
}

func (p *Person) check() error {
	if name, err := CleanName(p.Name); err != nil || name != p.Name {
		return errors.Join(err, fmt.Errorf("%q is no name", p.Name))
	}
	if p.ID != "" && token.CheckID(p.ID) != nil {
		return fmt.Errorf("%q is no id", p.ID)
	}
	if p.Role != Admin && p.Role != Viewer {
		return fmt.Errorf("role %q: want admin or viewer", p.Role)
	}
	if p.Role == Viewer && len(p.Cameras) == 0 {
		return errors.New("a viewer needs cameras; * stands for all")
	}
	if len(p.Cameras) > maxCameras {
		return fmt.Errorf("%d cameras, at most %d are taken; name a group as yard/*", len(p.Cameras), maxCameras)
	}
	for _, c := range p.Cameras {
		if err := CheckPattern(c); err != nil {
			return err
		}
	}
	return nil
}
