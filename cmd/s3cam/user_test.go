// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/access/token"
)

func TestPeopleOnTheCommandLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s3cam := func(in string, args ...string) output {
		return call(t, []string{"S3CAM_DATA=" + dir}, strings.NewReader(in), args...)
	}

	s3cam("", "user", "list").want(t, 0, "nobody can log in")
	if _, err := os.Stat(dir); err == nil {
		t.Error("looking made the directory")
	}
	o := s3cam("", "user", "add", "Root", "--role", "admin")
	o.want(t, 0, "root can log in, as admin", "Password: ")
	made := regexp.MustCompile(`Password: ([a-z0-9]{5}(-[a-z0-9]{5}){3})\n`).FindStringSubmatch(o.out)
	if made == nil {
		t.Fatalf("no password in\n%s", o.out)
	}
	s3cam("correct horse\r\n", "user", "add", "anna", "--camera", "gate,yard/*", "--share", "--password-stdin").want(t, 0, "anna can log in, as viewer")
	for _, tt := range []struct {
		name, in string
		args     []string
		code     int
		says     string
	}{
		{"a name that is taken", "", []string{"user", "add", "anna"}, 1, "taken"},
		{"a name that is none", "", []string{"user", "add", "a b"}, 2, "letters"},
		{"a role that is none", "", []string{"user", "add", "x", "--role", "boss"}, 2, "--role"},
		{"an admin of one camera", "", []string{"user", "add", "x", "--role", "admin", "--camera", "gate"}, 2, "--camera"},
		{"a camera that is none", "", []string{"user", "add", "x", "--camera", "/gate"}, 2, "slash"},
		{"an empty password", "\n", []string{"user", "add", "x", "--password-stdin"}, 1, "at least 8"},
		{"a long password", strings.Repeat("ab", 400) + "\n", []string{"user", "add", "x", "--password-stdin"}, 1, "at most"},
		{"removing nobody", "", []string{"user", "remove", "x"}, 1, "hint: `s3cam user list`"},
		{"removing the last admin", "", []string{"user", "remove", "root"}, 1, "--role admin"},
		{"a password for nobody", "", []string{"user", "password", "x"}, 1, "no such person"},
	} {
		t.Run(tt.name, func(t *testing.T) { s3cam(tt.in, tt.args...).want(t, tt.code, tt.says) })
	}
	s3cam("", "user", "list").want(t, 0, "anna  viewer  gate,yard/*  yes", "root  admin   *            yes")
	var people []struct {
		Name    string
		Role    string
		Cameras []string
	}
	if o := s3cam("", "user", "list", "--json"); json.Unmarshal([]byte(o.out), &people) != nil || len(people) != 2 || people[0].Name != "anna" || strings.Contains(o.out, "argon2") {
		t.Errorf("as JSON: %s", o.out)
	}
	s3cam("another horse", "user", "password", "anna", "--password-stdin").want(t, 0, "new password")
	s3cam("", "user", "remove", "anna").want(t, 0, "anna can no longer log in")
	text, err := os.ReadFile(filepath.Join(dir, access.BookFile))
	if err != nil || strings.Contains(string(text), made[1]) {
		t.Errorf("the file has the password, or %v", err)
	}
}

func TestTokensOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	s3cam := func(args ...string) output {
		return call(t, []string{"S3CAM_DATA=" + dir}, strings.NewReader(""), args...)
	}
	s3cam("token", "keys").want(t, 0, "there are no keys")
	o := s3cam("token", "make", "--camera", "gate,yard/*", "--for", "90", "--clip")
	o.want(t, 0, "signed with key k")
	book, err := access.OpenBook(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := book.TokenKeys()
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	c, err := keys.Check(strings.TrimSuffix(o.out, "\n"), time.Now())
	if left := time.Until(c.Expires); err != nil || !c.Allows("yard/a", token.All) || c.Allows("lobby", token.Watch) || left > 90*time.Second || left < 0 {
		t.Errorf("claims %+v, %v", c, err)
	}
	minute := s3cam("token", "make", "--camera", "gate", "--start", "2026-11-25 09:30:00", "--end", "2026-11-25T10:31:00.5+01:00", "--json")
	if minute.code == 0 {
		var made struct{ Token, Start, End string }
		err := json.Unmarshal([]byte(minute.out), &made)
		keys, _ := token.ParseKeys(s3cam("token", "keys", "--secret").out)
		if c, _ := keys.Check(made.Token, time.Now()); err != nil || c.From.Format(time.RFC3339) != "2026-11-25T09:30:00Z" || c.To.Format(time.RFC3339) != "2026-11-25T09:31:01Z" ||
			made.Start != "2026-11-25T09:30:00Z" || made.End != "2026-11-25T09:31:01Z" {
			t.Errorf("a minute: %s %+v, %v", minute.out, c, err)
		}
	} else {
		t.Errorf("a minute: exit %d: %s", minute.code, minute.err)
	}
	s3cam("token", "make", "--camera", "gate", "--start", "1", "--end", "2").want(t, 0, "nothing live")
	s3cam("token", "keys", "--new", "--id", "website").want(t, 0, "key website is made", "website")
	made := s3cam("token", "make", "--camera", "*", "--json")
	made.want(t, 0, `"key": "website"`)
	if o := s3cam("token", "keys"); strings.Contains(o.out, keys.Text()) {
		t.Error("the list shows secrets")
	}
	secrets := s3cam("token", "keys", "--secret")
	if ks, err := token.ParseKeys(secrets.out); err != nil || len(ks) != 2 {
		t.Errorf("--secret: %v", err)
	}
	s3cam("token", "revoke", "website").want(t, 0, "no longer good")
	s3cam("token", "revoke", "website").want(t, 1, "no such key", "s3cam token keys")
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"token", "make"}, 2, "--camera"},
		{[]string{"token", "make", "--camera", "gate", "--for", "0"}, 2, "--for 0s"},
		{[]string{"token", "make", "--camera", "gate", "--start", "1"}, 2, "--end: a range"},
		{[]string{"token", "make", "--camera", "gate", "--start", "2", "--end", "2"}, 2, "not after --start"},
		{[]string{"token", "make", "--camera", "gate", "--start", "nine", "--end", "2"}, 2, "--start"},
		{[]string{"token", "make", "--camera", "g*te"}, 2, "at the end only"},
		{[]string{"token", "make", "--camera", "gate", "--key", "other"}, 1, "no such key"},
		{[]string{"token", "make", "--camera", strings.Repeat("c", 1000) + "," + strings.Repeat("d", 1000)}, 2, "2048"},
		{[]string{"token", "keys", "--id", "x"}, 2, "--new"},
		{[]string{"token", "keys", "--new", "--id", "a b"}, 2, "--id"},
		{[]string{"token", "keys", "--data", ""}, 2, "--data"},
		{[]string{"serve", "--trusted-proxy", "proxy.example"}, 2, "--trusted-proxy"},
		{[]string{"serve", "--public-camera", "a*b"}, 2, "--public-camera"},
	} {
		s3cam(tt.args...).want(t, tt.code, tt.says)
	}
}
