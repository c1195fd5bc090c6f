// SPDX-License-Identifier: Apache-2.0

package token_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/access/token"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func testKey(id string) token.Key {
	return token.Key{ID: id, Secret: token.Secret(bytes.Repeat([]byte(id[:1]), 32))}
}

// signed makes a token of any payload, as somebody would who has the secret.
func signed(k token.Key, version, payload string) string {
	e := base64.RawURLEncoding
	text := version + "." + e.EncodeToString([]byte(payload))
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte(text))
	return text + "." + e.EncodeToString(h.Sum(nil))
}

func good(t testing.TB) string {
	t.Helper()
	text, err := token.Make(testKey("a"), token.Claims{Expires: now.Add(time.Hour), Cameras: []string{"cam1", "yard/*"}, Rights: token.All})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The form is stable: a link that was given away goes on working.
func TestTheFormOfAToken(t *testing.T) {
	const want = "s3t1.eyJrIjoiYSIsIngiOjE3OTU2MTE2MDAsImMiOlsiY2FtMSIsInlhcmQvKiJdLCJyIjoid2MifQ.9xWVvDRl7Gbw3H2XcxiESR24qBfMOlMB2cZ0g8W8kWI" // by Python's hmac
	if got := good(t); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if p := `{"k":"a","x":1795611600,"c":["cam1","yard/*"],"r":"wc"}`; signed(testKey("a"), "s3t1", p) != want {
		t.Errorf("HMAC-SHA-256 over the text before the second dot gives %s", signed(testKey("a"), "s3t1", p))
	}
}

func TestCheck(t *testing.T) {
	genuine := good(t)
	part := strings.Split(genuine, ".")
	a := testKey("a")
	flip := func(s string, i int) string {
		b := []byte(s)
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		return string(b)
	}
	payload := func(format string, args ...any) string { return signed(a, "s3t1", fmt.Sprintf(format, args...)) }
	future := now.Add(time.Hour).Unix()
	for _, tt := range []struct {
		name, text string
		at         time.Time
		keys       token.Keys
		want       error
	}{
		{"genuine", genuine, now, token.Keys{a}, nil},
		{"one of several keys", genuine, now, token.Keys{testKey("b"), a}, nil},
		{"in the last second", genuine, now.Add(time.Hour - 1), token.Keys{a}, nil},
		{"expired this moment", genuine, now.Add(time.Hour), token.Keys{a}, token.ErrExpired},
		{"long expired", genuine, now.Add(9000 * time.Hour), token.Keys{a}, token.ErrExpired},
		{"its key was revoked", genuine, now, token.Keys{testKey("b")}, token.ErrRefused},
		{"no keys at all", genuine, now, nil, token.ErrRefused},
		{"another secret under the same id", genuine, now, token.Keys{{ID: "a", Secret: testKey("x").Secret}}, token.ErrRefused},
		{"an expired one that was altered", flip(genuine, len(genuine)-3), now.Add(2 * time.Hour), token.Keys{a}, token.ErrRefused},
		{"altered payload", part[0] + "." + flip(part[1], 12) + "." + part[2], now, token.Keys{a}, token.ErrRefused},
		{"altered signature", part[0] + "." + part[1] + "." + flip(part[2], 3), now, token.Keys{a}, token.ErrRefused},
		{"other bits at the end that mean the same", genuine[:len(genuine)-1] + "9", now, token.Keys{a}, token.ErrRefused},
		{"no signature", part[0] + "." + part[1] + ".", now, token.Keys{a}, token.ErrRefused},
		{"half a signature", genuine[:len(genuine)-20], now, token.Keys{a}, token.ErrRefused},
		{"two parts", part[0] + "." + part[1], now, token.Keys{a}, token.ErrRefused},
		{"another version", strings.Replace(genuine, "s3t1", "s3t2", 1), now, token.Keys{a}, token.ErrRefused},
		{"another version, signed", signed(a, "s3t2", `{"k":"a","x":4000000000,"c":["*"],"r":"w"}`), now, token.Keys{a}, token.ErrRefused},
		{"padding", genuine + "=", now, token.Keys{a}, token.ErrRefused},
		{"a line end", genuine + "\n", now, token.Keys{a}, token.ErrRefused},
		{"nothing", "", now, token.Keys{a}, token.ErrRefused},
		{"too long", payload(`{"k":"a","x":%d,"c":["%s"],"r":"w"}`, future, strings.Repeat("c", 2000)), now, token.Keys{a}, token.ErrRefused},
		{"a limit that is not known", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","ip":"10.0.0.1"}`, future), now, token.Keys{a}, token.ErrRefused},
		{"a right that is not known", payload(`{"k":"a","x":%d,"c":["*"],"r":"wx"}`, future), now, token.Keys{a}, token.ErrRefused},
		{"no right", payload(`{"k":"a","x":%d,"c":["*"],"r":""}`, future), now, token.Keys{a}, token.ErrRefused},
		{"no camera", payload(`{"k":"a","x":%d,"c":[],"r":"w"}`, future), now, token.Keys{a}, token.ErrRefused},
		{"an empty camera", payload(`{"k":"a","x":%d,"c":[""],"r":"w"}`, future), now, token.Keys{a}, token.ErrRefused},
		{"no end", payload(`{"k":"a","c":["*"],"r":"w"}`), now, token.Keys{a}, token.ErrRefused},
		{"an end beyond all years", payload(`{"k":"a","x":9223372036854775807,"c":["*"],"r":"w"}`), now, token.Keys{a}, token.ErrRefused},
		{"something behind the JSON", payload(`{"k":"a","x":%d,"c":["*"],"r":"w"}{}`, future), now, token.Keys{a}, token.ErrRefused},
		{"no JSON", payload("hello"), now, token.Keys{a}, token.ErrRefused},
		{"a range with a start alone", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","f":1764060000}`, future), now, token.Keys{a}, token.ErrRefused},
		{"a range with an end alone", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","t":1764060000}`, future), now, token.Keys{a}, token.ErrRefused},
		{"an empty range", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","f":1764060000,"t":1764060000}`, future), now, token.Keys{a}, token.ErrRefused},
		{"a range backwards", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","f":1764060060,"t":1764060000}`, future), now, token.Keys{a}, token.ErrRefused},
		{"a range of nothing", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","f":0,"t":0}`, future), now, token.Keys{a}, token.ErrRefused},
		{"a range before 1970", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","f":-1,"t":1764060000}`, future), now, token.Keys{a}, token.ErrRefused},
		{"a range beyond all years", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","f":0,"t":9223372036854775807}`, future), now, token.Keys{a}, token.ErrRefused},
		{"a range that no number holds", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","f":0,"t":9223372036854775808}`, future), now, token.Keys{a}, token.ErrRefused},
		{"a range with fractions", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","f":1.5,"t":2.5}`, future), now, token.Keys{a}, token.ErrRefused},
		{"a range in words", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","f":"1","t":"2"}`, future), now, token.Keys{a}, token.ErrRefused},
		{"made by nobody who can be named", payload(`{"k":"a","x":%d,"c":["*"],"r":"w","b":"a b"}`, future), now, token.Keys{a}, token.ErrRefused},
		{"an empty secret", signed(token.Key{}, "s3t1", fmt.Sprintf(`{"k":"a","x":%d,"c":["*"],"r":"w"}`, future)), now, token.Keys{{ID: "a"}}, token.ErrRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tt.keys.Check(tt.text, tt.at)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if tt.want == token.ErrRefused && !reflect.DeepEqual(c, token.Claims{}) {
				t.Errorf("a refused token gave claims %+v", c)
			}
			if want := (token.Claims{Key: "a", Expires: now.Add(time.Hour), Cameras: []string{"cam1", "yard/*"}, Rights: token.All}); tt.want == nil && !reflect.DeepEqual(c, want) {
				t.Errorf("claims %+v, want %+v", c, want)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		patterns, camera string
		want             bool
	}{
		{"cam1", "cam1", true}, {"cam1", "cam10", false}, {"cam1", "cam", false}, {"cam1", "CAM1", false}, {"cam1", "cam1/x", false},
		{"*", "anything/at/all", true}, {"yard/*", "yard/gate", true}, {"yard/*", "yard", false}, {"yard/*", "yardgate", false},
		{"cam*", "cam1", true}, {"cam*", "xcam1", false}, {"a,b", "b", true}, {"*", "", false}, {"", "", false}, {"a*b", "axb", false},
	} {
		if got := token.Match(strings.Split(tt.patterns, ","), tt.camera); got != tt.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tt.patterns, tt.camera, got, tt.want)
		}
	}
	c := token.Claims{Cameras: []string{"cam1"}, Rights: token.Watch}
	if !c.Allows("cam1", token.Watch) || c.Allows("cam1", token.Clip) || c.Allows("cam1", token.All) || c.Allows("cam2", token.Watch) {
		t.Error("a token to watch cam1 allows something else")
	}
}

// The bounds are widened to whole seconds, so that nothing that somebody wanted to show is missing.
func TestATokenForARangeOfFootage(t *testing.T) {
	from := time.Date(2025, 11, 25, 8, 40, 0, 999, time.UTC)
	text, err := token.Make(testKey("a"), token.Claims{Expires: now.Add(time.Hour), Cameras: []string{"cam1"}, Rights: token.All, From: from, To: from.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if want := signed(testKey("a"), "s3t1", `{"k":"a","x":1795611600,"c":["cam1"],"r":"wc","f":1764060000,"t":1764060061}`); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	c, err := token.Keys{testKey("a")}.Check(text, now)
	if err != nil || !c.Bounded() || !c.From.Equal(from.Truncate(time.Second)) || !c.To.Equal(from.Truncate(time.Second).Add(61*time.Second)) {
		t.Errorf("claims %+v, %v", c, err)
	}
	if c, err := (token.Keys{testKey("a")}).Check(good(t), now); err != nil || c.Bounded() {
		t.Errorf("a token without a range has one: %+v, %v", c, err)
	}
	// Who takes the range out, or moves it, has another text than was signed.
	part := strings.Split(text, ".")
	for _, p := range []string{`{"k":"a","x":1795611600,"c":["cam1"],"r":"wc"}`, `{"k":"a","x":1795611600,"c":["cam1"],"r":"wc","f":0,"t":1764060061}`} {
		forged := part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(p)) + "." + part[2]
		if _, err := (token.Keys{testKey("a")}).Check(forged, now); !errors.Is(err, token.ErrRefused) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestMakeRefusesWhatCheckWould(t *testing.T) {
	k, ok := testKey("a"), token.Claims{Expires: now, Cameras: []string{"c"}, Rights: token.Watch}
	for _, tt := range []struct {
		name string
		key  token.Key
		edit func(*token.Claims)
	}{
		{"no cameras", k, func(c *token.Claims) { c.Cameras = nil }},
		{"no rights", k, func(c *token.Claims) { c.Rights = 0 }},
		{"no end", k, func(c *token.Claims) { c.Expires = time.Time{} }},
		{"too many cameras", k, func(c *token.Claims) { c.Cameras = strings.Split(strings.Repeat("c,", token.MaxCameras)+"c", ",") }},
		{"too long", k, func(c *token.Claims) { c.Cameras = []string{strings.Repeat("c", token.MaxBytes)} }},
		{"a maker that is no id", k, func(c *token.Claims) { c.By = "a\nb" }},
		{"a range without end", k, func(c *token.Claims) { c.From = now }},
		{"a range without start", k, func(c *token.Claims) { c.To = now }},
		{"a range backwards", k, func(c *token.Claims) { c.From, c.To = now, now.Add(-time.Minute) }},
		{"an empty range", k, func(c *token.Claims) { c.From, c.To = now, now }},
		{"a range before 1970", k, func(c *token.Claims) { c.From, c.To = time.Unix(-1, 0), now }},
		{"a range beyond all years", k, func(c *token.Claims) { c.From, c.To = now, time.Unix(253402300799, 1) }},
		{"a short secret", token.Key{ID: "a", Secret: []byte("short")}, func(*token.Claims) {}},
		{"a bad id", token.Key{ID: "a.b", Secret: k.Secret}, func(*token.Claims) {}},
	} {
		c := ok
		tt.edit(&c)
		if text, err := token.Make(tt.key, c); err == nil {
			t.Errorf("%s: made %s", tt.name, text)
		}
	}
}

func TestKeysAreReadAndWritten(t *testing.T) {
	made, err := token.NewKey("k1")
	if err != nil {
		t.Fatal(err)
	}
	keys := token.Keys{made, testKey("b")}
	back, err := token.ParseKeys(" " + strings.ReplaceAll(keys.Text(), ",", " , ") + "\n")
	if err != nil || !reflect.DeepEqual(back, keys) {
		t.Errorf("back came %v, %v", back, err)
	}
	url := "b:" + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32))
	if ks, err := token.ParseKeys(url); err != nil || ks[0].Secret[0] != 0xff {
		t.Errorf("base64url: %v", err)
	}
	if ks, err := token.ParseKeys(""); err != nil || ks != nil {
		t.Errorf("nothing: %v, %v", ks, err)
	}
	for _, bad := range []string{"k1", "k1:", ":AAAA", "k1:not base64", "k1:AAAA", "a b:" + strings.Repeat("A", 44), keys.Text() + "," + made.Text(), strings.Repeat("x,", 40)} {
		ks, err := token.ParseKeys(bad)
		if err == nil {
			t.Errorf("ParseKeys(%q) = %v", bad, ks)
		} else if secret := base64.StdEncoding.EncodeToString(made.Secret); strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "not base64 ") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	k := testKey("z")
	js, _ := json.Marshal(k)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "secret", k.Secret)
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %x %s %q %d", k, k, k, k.Secret, k.Secret, k.Secret, k.Secret), string(js), log.String()} {
		if strings.Contains(text, "zzzz") || strings.Contains(text, "7a7a") || strings.Contains(text, "122 122") || strings.Contains(text, "enp6") {
			t.Errorf("shows the secret: %s", text)
		}
	}
}

func TestFindingATokenInARequest(t *testing.T) {
	text := good(t)
	for _, tt := range []struct {
		name, query, want string
		given             bool
	}{
		{"none", "camera_id=cam1", "", false},
		{"alone", "token=" + text, text, true},
		{"among others", "camera_id=cam1&token=" + text + "&x=1", text, true},
		{"an escaped name", "%74oken=" + text, text, true},
		{"twice", "token=" + text + "&token=" + text, "", true},
		{"empty", "token=", "", true},
		{"something else", "token=abc", "", true},
		{"another name", "tokens=" + text, "", false},
		{"a line end", "token=" + text + "%0d%0aX:%20y", "", true},
	} {
		if got, given := token.FromQuery(tt.query); got != tt.want || given != tt.given {
			t.Errorf("%s: FromQuery = %q, %v", tt.name, got, given)
		}
	}
	for _, tt := range []struct {
		name, header, want string
		given              bool
	}{
		{"none", "", "", false},
		{"a bearer", "Bearer " + text, text, true},
		{"in small letters", "bearer  " + text, text, true},
		{"a JWT of a login service", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "", false},
		{"basic", "Basic dXNlcjpwYXNz", "", false},
		{"broken", "Bearer s3t1.x", "", true},
	} {
		if got, given := token.FromBearer(tt.header); got != tt.want || given != tt.given {
			t.Errorf("%s: FromBearer = %q, %v", tt.name, got, given)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(good(f))
	f.Add("s3t1..")
	f.Add(signed(testKey("a"), "s3t1", `{"k":"a","x":4000000000,"c":["*"],"r":"w","more":1}`))
	f.Add(signed(testKey("a"), "s3t1", `{"k":"a","x":4000000000,"c":["*"],"r":"w","f":1764060000,"t":1764060060}`))
	f.Add(signed(testKey("a"), "s3t1", `{"k":"a","x":4000000000,"c":["*"],"r":"w","f":-1,"t":9223372036854775807}`))
	f.Add(signed(testKey("b"), "s3t1", `{"k":"a","x":4000000000,"c":["*"],"r":"w"}`))
	keys := token.Keys{testKey("a")}
	genuine := good(f)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := keys.Check(text, now)
		if err == nil && (c.Key != "a" || len(c.Cameras) == 0 || c.Rights == 0 || !c.Expires.After(now)) {
			t.Fatalf("a good token with claims %+v", c)
		}
		if c.Bounded() && (err != nil && !errors.Is(err, token.ErrExpired) || c.From.Unix() < 0 || !c.To.After(c.From) || c.To.Year() > 9999) {
			t.Fatalf("a range of %v to %v, %v", c.From, c.To, err)
		}
		if err == nil && text != genuine { // nobody guesses a signature: it must be one that was made with the secret
			part := strings.Split(text, ".")
			b, _ := base64.RawURLEncoding.DecodeString(part[1])
			if signed(testKey("a"), "s3t1", string(b)) != text {
				t.Fatalf("%q was accepted", text)
			}
		}
	})
}

// FuzzPayload signs whatever payload, as another version of this program might: what is accepted is sane, and stays the same when it
// is made anew.
func FuzzPayload(f *testing.F) {
	f.Add(`{"k":"a","x":4000000000,"c":["cam1","yard/*"],"r":"wc"}`)
	f.Add(`{"k":"a","x":4000000000,"c":["*"],"r":"w","f":1764060000,"t":1764060060}`)
	f.Add(`{"k":"a","x":4000000000,"c":["*"],"r":"c","f":null,"t":1}`)
	f.Add(`{"k":"a","x":4000000000,"c":["*"],"r":"w","b":"x4k2v7qd3mpa"}`)
	f.Add(`{"K":"a","x":4e9,"c":["*"],"r":"w","f":1,"f":2,"T":3}`)
	keys := token.Keys{testKey("a")}
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := keys.Check(signed(testKey("a"), "s3t1", payload), now)
		if err != nil {
			return
		}
		if c.Bounded() && (c.From.Unix() < 0 || !c.To.After(c.From) || c.To.Year() > 9999) {
			t.Fatalf("%s: a range of %v to %v", payload, c.From, c.To)
		}
		text, err := token.Make(testKey("a"), c)
		if err != nil && len(payload) < 500 {
			t.Fatalf("%s: cannot be made: %v", payload, err)
		} else if err != nil {
			return // escapes may make it longer
		}
		if again, err := keys.Check(text, now); err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%s: %+v, made anew %+v, %v", payload, c, again, err)
		}
	})
}

func FuzzFind(f *testing.F) {
	f.Add("camera_id=cam1&token="+good(f), "Bearer "+good(f))
	f.Add("token=%zz&%74oken=", "Bearer s3t1.")
	f.Fuzz(func(t *testing.T, query, header string) {
		for _, find := range []func() (string, bool){func() (string, bool) { return token.FromQuery(query) }, func() (string, bool) { return token.FromBearer(header) }} {
			text, given := find()
			if text != "" && (!given || !token.Plausible(text) || strings.ContainsAny(text, "\r\n&?#%/ \"<")) {
				t.Fatalf("found %q, %v", text, given)
			}
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add(token.Keys{testKey("a"), testKey("b")}.Text())
	f.Add("a:,b:!")
	f.Fuzz(func(t *testing.T, text string) {
		ks, err := token.ParseKeys(text)
		if err != nil {
			return
		}
		if ks.CheckAll() != nil {
			t.Fatalf("%q gave keys that are not good: %v", text, ks.CheckAll())
		}
		if back, err := token.ParseKeys(ks.Text()); err != nil || !reflect.DeepEqual(back, ks) {
			t.Fatalf("%q: not the same after writing: %v", text, err)
		}
	})
}
