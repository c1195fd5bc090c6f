// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"errors"
	"fmt"
	"strings"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// What AWS's temporary access key ids look like.
const (
	temporary    = "ASIA"
	temporaryLen = 20
)

// ParseFile reads credentials out of text in the form of the AWS shared credentials file,
//
//	[default]
//	aws_access_key_id = ...
//	aws_secret_access_key = ...
//	aws_session_token = ...
//
// of which profile names the section; the form "[profile name]" of the AWS configuration file is taken too. Lines before the first section,
// and files without any, belong to every profile. Names may be in capitals, without "aws_", and after "export ", values in quotes, so
// that a file of environment variables will do. Other names are ignored. Errors show no values.
func ParseFile(text, profile string) (sigv4.Credentials, error) {
	var c sigv4.Credentials
	in, sections, found := true, false, false // in: the present lines count
	for line := range strings.Lines(strings.TrimPrefix(text, "\uFEFF")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			in = ok && strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), "profile ")) == profile
			sections, found = true, found || in
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !in || !ok {
			continue
		}
		value = unquote(strings.TrimSpace(value))
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "export ")))
		switch strings.TrimPrefix(name, "aws_") {
		case "access_key_id":
			c.AccessKeyID = value
		case "secret_access_key":
			c.SecretAccessKey = sigv4.Secret(value)
		case "session_token", "security_token":
			c.SessionToken = sigv4.Secret(value)
		}
	}
	if c == (sigv4.Credentials{}) && sections && !found {
		return c, fmt.Errorf("there is no section [%s]", profile)
	}
	if err := Check(c); err != nil {
		return sigv4.Credentials{}, err
	}
	if len(c.AccessKeyID) == temporaryLen && strings.HasPrefix(c.AccessKeyID, temporary) && c.SessionToken == "" {
		return sigv4.Credentials{}, errors.New("the session token is missing, and the access key id is that of temporary credentials")
	}
	return c, nil
}

func unquote(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}
