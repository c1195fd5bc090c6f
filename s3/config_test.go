// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/s3"
)

func TestWhereRequestsGo(t *testing.T) {
	tests := []struct {
		name string
		cfg  s3.Config
		want string // URL of the key "a b" as sent
	}{
		{"AWS, the bucket in the host name", s3.Config{Region: "eu-central-1", Bucket: "video-1"}, "https://video-1.s3.eu-central-1.amazonaws.com/a%20b"},
		{"dual-stack", s3.Config{Region: "eu-central-1", Bucket: "video-1", DualStack: true}, "https://video-1.s3.dualstack.eu-central-1.amazonaws.com/a%20b"},
		{"China", s3.Config{Region: "cn-north-1", Bucket: "video-1"}, "https://video-1.s3.cn-north-1.amazonaws.com.cn/a%20b"},
		{"China, dual-stack", s3.Config{Region: "cn-northwest-1", Bucket: "video-1", DualStack: true}, "https://video-1.s3.dualstack.cn-northwest-1.amazonaws.com.cn/a%20b"},
		{"GovCloud", s3.Config{Region: "us-gov-west-1", Bucket: "video-1"}, "https://video-1.s3.us-gov-west-1.amazonaws.com/a%20b"},
		{"the European sovereign cloud", s3.Config{Region: "eusc-de-east-1", Bucket: "video-1"}, "https://video-1.s3.eusc-de-east-1.amazonaws.eu/a%20b"},
		{"a bucket with dots needs path style", s3.Config{Region: "us-east-1", Bucket: "my.video"}, "https://s3.us-east-1.amazonaws.com/my.video/a%20b"},
		{"path style on AWS when asked for", s3.Config{Region: "us-east-1", Bucket: "video", PathStyle: true}, "https://s3.us-east-1.amazonaws.com/video/a%20b"},
		{"another server, path style", s3.Config{Endpoint: "http://127.0.0.1:9000", Bucket: "video", PathStyle: true}, "http://127.0.0.1:9000/video/a%20b"},
		{"another server, the bucket in the host name", s3.Config{Endpoint: "https://s3.example.com:8443/", Bucket: "video"}, "https://video.s3.example.com:8443/a%20b"},
		{"the scheme's own port is not written", s3.Config{Endpoint: "https://S3.Example.com:443", Bucket: "video"}, "https://video.s3.example.com/a%20b"},
		{"port 443 with http is written", s3.Config{Endpoint: "http://s3.example.com:443", Bucket: "video"}, "http://video.s3.example.com:443/a%20b"},
		{"dots without TLS stay in the host name", s3.Config{Endpoint: "http://s3.local", Bucket: "my.video"}, "http://my.video.s3.local/a%20b"},
		{"an IPv6 address", s3.Config{Endpoint: "http://[::1]:9000", Bucket: "Old_Bucket", PathStyle: true}, "http://[::1]:9000/Old_Bucket/a%20b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			tt.cfg.Credentials = s3.Static(accessKey, secretKey, "")
			tt.cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
				got = r.URL.String()
				if r.Host != r.URL.Host || r.RequestURI != "" {
					t.Errorf("host %q, URL host %q", r.Host, r.URL.Host)
				}
				return answer(r, 204, strings.NewReader(""), 0), nil
			})
			c, err := s3.New(tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Delete(context.Background(), "a b"); err != nil || got != tt.want {
				t.Errorf("sent to %s (%v), want %s", got, err, tt.want)
			}
			p, err := c.Presigner(context.Background(), time.Now(), time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if url := string(p.AppendGet(nil, "a b")); !strings.HasPrefix(url, tt.want+"?X-Amz-Algorithm=") {
				t.Errorf("presigned %s, want %s?...", url, tt.want)
			}
		})
	}
}

func TestNewNamesAllProblems(t *testing.T) {
	good := s3.Config{Region: "us-east-1", Bucket: "video", Credentials: s3.Static("a", "b", "")}
	tests := []struct {
		name string
		edit func(*s3.Config)
		want []string
	}{
		{"nothing set", func(c *s3.Config) { *c = s3.Config{} }, []string{"no region", "no bucket", "no credentials"}},
		{"everything wrong", func(c *s3.Config) {
			*c = s3.Config{Endpoint: "ftp://x/y", Region: "a.b", Bucket: "a/b", DualStack: true, TryTimeout: -1, MaxAttempts: -1}
		}, []string{"http or https", "region", "character", "DualStack", "no credentials", "TryTimeout", "MaxAttempts"}},
		{"an IP address without path style", func(c *s3.Config) { c.Endpoint = "http://127.0.0.1:9000" }, []string{"PathStyle"}},
		{"an endpoint with a path", func(c *s3.Config) { c.Endpoint = "http://h/s3" }, []string{"path or query"}},
		{"an endpoint without a scheme", func(c *s3.Config) { c.Endpoint = "h:9000" }, []string{"scheme"}},
		{"an endpoint without a host", func(c *s3.Config) { c.Endpoint = "http://:9000" }, []string{"no host"}},
		{"an endpoint with a port that is none", func(c *s3.Config) { c.Endpoint = "http://h:99999" }, []string{"1 to 65535"}},
		{"an endpoint with port 0", func(c *s3.Config) { c.Endpoint = "http://h:0" }, []string{"1 to 65535"}},
		{"an endpoint with a space", func(c *s3.Config) { c.Endpoint = "http://a b" }, []string{"endpoint"}},
		{"an endpoint that is not ASCII", func(c *s3.Config) { c.Endpoint = "http://münchen" }, []string{"bad character"}},
		{"a region that is a host", func(c *s3.Config) { c.Region = "evil.com/" }, []string{"region"}},
		{"an upper-case bucket on AWS", func(c *s3.Config) { c.Bucket = "Video" }, []string{`'V'`}},
		{"a short bucket name on AWS", func(c *s3.Config) { c.Bucket = "ab" }, []string{"3 to 63"}},
		{"an ARN", func(c *s3.Config) { c.Bucket = "arn:aws:s3:::video" }, []string{"ARN"}},
		{"dots side by side", func(c *s3.Config) { c.Bucket = "a..b" }, []string{"not a valid name"}},
		{"a bucket that is an IP address", func(c *s3.Config) { c.Bucket = "10.0.0.1" }, []string{"IP address"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.edit(&cfg)
			_, err := s3.New(cfg)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not mention %q", err, w)
				}
			}
		})
	}
	if _, err := s3.New(s3.Config{Endpoint: "http://user:hush@h", Bucket: "b", Credentials: s3.Static("a", "b", "")}); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("error = %v, want one without the password", err)
	}
}

func TestTags(t *testing.T) {
	encoded, err := s3.EncodeTags([]s3.Tag{{"camera", "front door"}, {"a+b=c", "x/y:z@w"}, {"ort", "Küche"}, {"empty", ""}})
	if want := "camera=front%20door&a%2Bb%3Dc=x%2Fy%3Az%40w&ort=K%C3%BCche&empty="; err != nil || encoded != want {
		t.Errorf("EncodeTags = %q, %v, want %q", encoded, err, want)
	}
	if err := s3.ValidateTags(encoded); err != nil {
		t.Errorf("ValidateTags of its own output: %v", err)
	}
	if tags, err := s3.ParseTags("a=b+c&d&e=%2B"); err != nil || fmt.Sprint(tags) != "[{a b c} {d } {e +}]" {
		t.Errorf("ParseTags = %v, %v", tags, err)
	}
	var many []string
	for i := range 11 {
		many = append(many, fmt.Sprint("k", i, "=v"))
	}
	for name, tt := range map[string]struct{ tags, want string }{
		"ten are allowed":           {strings.Join(many[:10], "&"), ""},
		"eleven are not":            {strings.Join(many, "&"), "11 tags"},
		"a raw space":               {"a=b c", "percent-encoded"},
		"raw UTF-8":                 {"a=ü", "percent-encoded"},
		"a broken escape":           {"a=%zz", "escape"},
		"an escape that is no text": {"a=%ff", "UTF-8"},
		"the same key twice":        {"a=1&b=2&a=3", "twice"},
		"an empty key":              {"=1", "empty tag key"},
		"a stray separator":         {"a=1&&b=2", "empty tag key"},
		"a forbidden character":     {"a=b%23", `'#'`},
		"a long key":                {strings.Repeat("k", 129) + "=v", "128"},
		"a long value":              {"k=" + strings.Repeat("v", 257), "256"},
		"the longest":               {strings.Repeat("k", 128) + "=" + strings.Repeat("%C3%BC", 256), ""},
		"a reserved prefix":         {"AWS%3Ax=1", "reserved"},
		"none":                      {"", ""},
	} {
		err := s3.ValidateTags(tt.tags)
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error = %v, want %q", name, err, tt.want)
		}
	}
}

func TestPresignerEndsWithItsCredentials(t *testing.T) {
	now := time.Date(2026, 3, 9, 4, 5, 6, 789, time.UTC)
	for _, tt := range []struct {
		name       string
		credential time.Time
		want       time.Time
	}{
		{"by its own date", time.Time{}, now.Truncate(time.Second).Add(15 * time.Minute)},
		{"with credentials that end before", now.Add(5 * time.Minute), now.Add(5 * time.Minute)},
		{"with credentials that end after", now.Add(time.Hour), now.Truncate(time.Second).Add(15 * time.Minute)},
	} {
		c, err := s3.New(s3.Config{Region: "us-east-1", Bucket: "video", Credentials: expiring(tt.credential)})
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.Presigner(context.Background(), now, 15*time.Minute)
		if err != nil || !p.Expires().Equal(tt.want) {
			t.Errorf("%s: Expires = %v, %v, want %v", tt.name, p.Expires(), err, tt.want)
		}
	}
}

type expiring time.Time

func (e expiring) Retrieve(context.Context) (s3.Credentials, error) {
	return s3.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: "t", Expires: time.Time(e)}, nil
}
