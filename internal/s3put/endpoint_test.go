// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
)

var someKeys = static(sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey})

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  s3put.Config
		want s3put.Address
	}{
		{"AWS", s3put.Config{Region: "eu-central-1", Bucket: "video"},
			s3put.Address{true, "video.s3.eu-central-1.amazonaws.com", "video.s3.eu-central-1.amazonaws.com:443", "/", "eu-central-1"}},
		{"AWS in China", s3put.Config{Region: "cn-north-1", Bucket: "video"},
			s3put.Address{true, "video.s3.cn-north-1.amazonaws.com.cn", "video.s3.cn-north-1.amazonaws.com.cn:443", "/", "cn-north-1"}},
		{"AWS, a bucket with dots", s3put.Config{Region: "us-east-1", Bucket: "my.video"},
			s3put.Address{true, "s3.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com:443", "/my.video/", "us-east-1"}},
		{"AWS, path style", s3put.Config{Region: "us-east-1", Bucket: "video", PathStyle: true},
			s3put.Address{true, "s3.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com:443", "/video/", "us-east-1"}},
		{"a bare host is TLS", s3put.Config{Endpoint: "s3.example.com", Bucket: "video"},
			s3put.Address{true, "video.s3.example.com", "video.s3.example.com:443", "/", "us-east-1"}},
		{"a bare host and port", s3put.Config{Endpoint: "S3.example.com:9443", Region: "here", Bucket: "video", PathStyle: true},
			s3put.Address{true, "s3.example.com:9443", "s3.example.com:9443", "/video/", "here"}},
		{"plain", s3put.Config{Endpoint: "http://nas.local:9000", Bucket: "video"},
			s3put.Address{false, "video.nas.local:9000", "video.nas.local:9000", "/", "us-east-1"}},
		{"plain, the scheme's own port", s3put.Config{Endpoint: "http://nas.local:80/", Bucket: "video", PathStyle: true},
			s3put.Address{false, "nas.local", "nas.local:80", "/video/", "us-east-1"}},
		{"plain, a bucket with dots", s3put.Config{Endpoint: "http://nas.local", Bucket: "my.video"},
			s3put.Address{false, "my.video.nas.local", "my.video.nas.local:80", "/", "us-east-1"}},
		{"TLS, a bucket with dots", s3put.Config{Endpoint: "https://nas.local:443", Bucket: "my.video"},
			s3put.Address{true, "nas.local", "nas.local:443", "/my.video/", "us-east-1"}},
		{"an address", s3put.Config{Endpoint: "http://192.168.1.2:9000", Bucket: "video", PathStyle: true},
			s3put.Address{false, "192.168.1.2:9000", "192.168.1.2:9000", "/video/", "us-east-1"}},
		{"an address of IPv6", s3put.Config{Endpoint: "https://[fd00::1]", Bucket: "video", PathStyle: true},
			s3put.Address{true, "[fd00::1]", "[fd00::1]:443", "/video/", "us-east-1"}},
		{"the original SDK's endpoint", s3put.Config{Endpoint: "video.s3.eu-west-1.amazonaws.com", Region: "eu-west-1", Bucket: "unused", BucketInHost: true},
			s3put.Address{true, "video.s3.eu-west-1.amazonaws.com", "video.s3.eu-west-1.amazonaws.com:443", "/", "eu-west-1"}},
		{"the bucket in an address", s3put.Config{Endpoint: "10.0.0.1:8443", BucketInHost: true, PathStyle: true},
			s3put.Address{true, "10.0.0.1:8443", "10.0.0.1:8443", "/", "us-east-1"}},
	} {
		tt.cfg.Credentials = someKeys
		c, err := s3put.New(tt.cfg)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := s3put.AddressOf(c); *got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, *got, tt.want)
		}
	}
}

func TestConfigsThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  s3put.Config
		says string
	}{
		"no region":                     {s3put.Config{Bucket: "video"}, "no region"},
		"no bucket":                     {s3put.Config{Region: "eu-west-1"}, "no bucket"},
		"a bad region":                  {s3put.Config{Region: "eu west", Bucket: "video"}, "not a region name"},
		"a region that is a host":       {s3put.Config{Region: "evil.example", Bucket: "video"}, "not a region name"},
		"another scheme":                {s3put.Config{Endpoint: "ftp://host", Bucket: "video"}, "neither http nor https"},
		"a path":                        {s3put.Config{Endpoint: "https://host/x", Bucket: "video"}, "path or query"},
		"a password":                    {s3put.Config{Endpoint: "https://u:hush@host", Bucket: "video"}, "must not hold a user"},
		"a password, bare":              {s3put.Config{Endpoint: "u:hush@host", Bucket: "video"}, "must not hold a user"},
		"a line break":                  {s3put.Config{Endpoint: "https://a\r\nb", Bucket: "video"}, "not a URL"},
		"a bad host":                    {s3put.Config{Endpoint: "https://a%20b", Bucket: "video"}, "endpoint"},
		"a port beyond 16 bits":         {s3put.Config{Endpoint: "host:70000", Bucket: "video"}, "port"},
		"an address without path style": {s3put.Config{Endpoint: "http://10.0.0.1", Bucket: "video"}, "path style"},
		"no host":                       {s3put.Config{Endpoint: "https://:9000", Bucket: "video"}, "no host"},
		"an ARN":                        {s3put.Config{Region: "eu-west-1", Bucket: "arn:aws:s3:::video"}, "ARN"},
		"a bucket of capitals on AWS":   {s3put.Config{Region: "eu-west-1", Bucket: "Video"}, "not allowed"},
		"a bucket with a slash":         {s3put.Config{Endpoint: "https://host", Bucket: "a/b"}, "not allowed"},
		"a bucket in no host":           {s3put.Config{Region: "eu-west-1", BucketInHost: true}, "needs an endpoint"},
		"a negative timeout":            {s3put.Config{Region: "eu-west-1", Bucket: "video", StallTimeout: -1}, "StallTimeout"},
	} {
		tt.cfg.Credentials = someKeys
		if _, err := s3put.New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	_, err := s3put.New(s3put.Config{})
	for _, want := range []string{"no region", "no bucket", "no credentials"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %q", err, want)
		}
	}
}

func TestWhereRedirectsMayLead(t *testing.T) {
	aws := newClient(t, s3put.Config{Region: "us-east-1", Bucket: "video", Credentials: someKeys})
	nas := newClient(t, s3put.Config{Endpoint: "https://nas.local", Bucket: "video", Credentials: someKeys})
	for _, tt := range []struct {
		c            *s3put.Client
		region, want string // host
	}{
		{aws, "eu-west-1", "video.s3.eu-west-1.amazonaws.com"}, {aws, "us-east-1", ""}, {aws, "", ""}, {aws, "cn-north-1", ""}, {aws, "evil.example", ""},
		{aws, "a/b", ""}, {aws, "x@evil", ""}, {aws, "eusc-de-east-1", ""}, {nas, "elsewhere", "video.nas.local"}, {nas, "../x", ""},
	} {
		got := ""
		if a := s3put.Moved(tt.c, tt.region); a != nil {
			got = a.Host
			if !a.TLS || a.Region != tt.region {
				t.Errorf("%q: %+v", tt.region, a)
			}
		}
		if got != tt.want {
			t.Errorf("region %q leads to %q, want %q", tt.region, got, tt.want)
		}
	}
	for location, want := range map[string]string{
		"https://video.s3-us-west-2.amazonaws.com/key": "us-west-2", "https://video.s3.us-west-2.amazonaws.com/key": "us-west-2",
		"https://s3.eu-west-1.amazonaws.com/video/key": "eu-west-1", "https://video.s3.amazonaws.com/": "", "http://video.s3.us-west-2.amazonaws.com/key": "",
		"https://evil.example/": "", "https://video.s3.us-west-2.amazonaws.com.evil.example/": "", "https://video.s3.us-west-2.amazonaws.com@evil.example/": "",
		"https://evil.s3.us-west-2.amazonaws.com/": "", "//video.s3.us-west-2.amazonaws.com/": "", "https://video.s3.us-west-2.amazonaws.com:8443/": "", "": "",
		"https://video.s3.cn-north-1.amazonaws.com.cn/": "cn-north-1", // its partition is checked by the next step
	} {
		if got := s3put.RegionOfLocation(aws, location); got != want {
			t.Errorf("%s: region %q, want %q", location, got, want)
		}
	}
	if got := s3put.RegionOfLocation(nas, "https://video.s3.us-west-2.amazonaws.com/key"); got != "" {
		t.Errorf("from another server to AWS: %q", got)
	}
}

// TestRedirectToTheRegion runs against hosts of AWS that all lead to a fake with a certificate for them.
func TestRedirectToTheRegion(t *testing.T) {
	authority := certtest.New(t, "test root")
	const east, west = "video.s3.us-east-1.amazonaws.com", "video.s3.eu-west-1.amazonaws.com"
	for name, redirect := range map[string]func(int, http.ResponseWriter, *request) bool{
		"301 with a header":        says(301, "PermanentRedirect", "X-Amz-Bucket-Region", "eu-west-1"),
		"307 with a Location":      says(307, "TemporaryRedirect", "Location", "https://"+west+"/key"),
		"400 with the header only": says(400, "AuthorizationHeaderMalformed", "X-Amz-Bucket-Region", "eu-west-1"),
		"400 with a Region": func(_ int, w http.ResponseWriter, _ *request) bool {
			w.WriteHeader(400)
			_, _ = w.Write([]byte("<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"))
			return true
		},
		"301 with an Endpoint": func(_ int, w http.ResponseWriter, _ *request) bool {
			w.WriteHeader(301)
			_, _ = w.Write([]byte("<Error><Code>PermanentRedirect</Code><Endpoint>video.s3-eu-west-1.amazonaws.com</Endpoint></Error>"))
			return true
		},
	} {
		for _, again := range []bool{true, false} {
			f := newFake(t, valid(authority, east, west))
			f.answer = func(n int, w http.ResponseWriter, r *request) bool { return r.Host == east && redirect(n, w, r) }
			c := newClient(t, s3put.Config{Region: "us-east-1", Bucket: "video", Credentials: someKeys, RootCAs: authority.Pool(), Dial: f.dial})
			o := object("key", randomBytes(50_000))
			o.Again = func() bool { return again }
			_, err := c.Put(timeout(t), o)
			if (err == nil) != again {
				t.Errorf("%s, again %v: %v", name, again, err)
			}
			if _, err := c.Put(timeout(t), o); err != nil {
				t.Errorf("%s, the next Put: %v", name, err)
			}
			var hosts []string
			for _, r := range f.seen() {
				hosts = append(hosts, r.Host)
				if r.Host == west && !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/s3/") {
					t.Errorf("%s: signed %s", name, r.Header.Get("Authorization"))
				}
			}
			want := east + " " + west
			if again {
				want += " " + west
			}
			if strings.Join(hosts, " ") != want {
				t.Errorf("%s, again %v: hosts %v, want %s", name, again, hosts, want)
			}
			if s := c.Stats(); s.Redirects != 1 || s.Dials != 2 {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
}

func TestRedirectsThatAreNotFollowed(t *testing.T) {
	authority := certtest.New(t, "test root")
	const east = "video.s3.us-east-1.amazonaws.com"
	for name, redirect := range map[string]func(int, http.ResponseWriter, *request) bool{
		"to another host":      says(307, "TemporaryRedirect", "Location", "https://evil.example/key"),
		"from TLS to plain":    says(307, "TemporaryRedirect", "Location", "http://video.s3.eu-west-1.amazonaws.com/key"),
		"to another partition": says(301, "PermanentRedirect", "X-Amz-Bucket-Region", "cn-north-1"),
		"to itself":            says(301, "PermanentRedirect", "X-Amz-Bucket-Region", "us-east-1"),
		"to a host as region":  says(301, "PermanentRedirect", "X-Amz-Bucket-Region", "evil.example/"),
	} {
		f := newFake(t, valid(authority, east))
		f.answer = redirect
		c := newClient(t, s3put.Config{Region: "us-east-1", Bucket: "video", Credentials: someKeys, RootCAs: authority.Pool(), Dial: f.dial})
		if _, err := c.Put(timeout(t), object("key", randomBytes(10))); err == nil || len(f.seen()) != 1 {
			t.Errorf("%s: %v after %d requests", name, err, len(f.seen()))
		}
	}
	// Two regions that send to each other: one redirect per Put.
	f := newFake(t, valid(authority, east, "video.s3.eu-west-1.amazonaws.com"))
	f.answer = func(n int, w http.ResponseWriter, r *request) bool {
		other := "us-east-1"
		if r.Host == east {
			other = "eu-west-1"
		}
		return says(301, "PermanentRedirect", "X-Amz-Bucket-Region", other)(n, w, r)
	}
	c := newClient(t, s3put.Config{Region: "us-east-1", Bucket: "video", Credentials: someKeys, RootCAs: authority.Pool(), Dial: f.dial})
	if _, err := c.Put(timeout(t), object("key", randomBytes(10))); err == nil || len(f.seen()) != 2 {
		t.Errorf("to and fro: %v after %d requests", err, len(f.seen()))
	}
}
