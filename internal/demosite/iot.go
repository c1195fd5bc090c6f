// SPDX-License-Identifier: Apache-2.0

package demosite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/s3rule"
	"github.com/s3cam/s3cam/internal/sigv4"
)

const (
	iotTimeout  = 5 * time.Second // of one try
	iotAttempts = 3
	iotPause    = 500 * time.Millisecond
	maxAnswer   = 64 << 10
)

// credentialEndpoint is the attribute CredentialEndpoint: the host at which cameras exchange their certificate for
// credentials, or a sentence that says why it is not known. A region without AWS IoT is no reason to fail: cameras can get
// credentials in other ways.
func (i *Installer) credentialEndpoint(ctx context.Context) string {
	var err error
	for n := range iotAttempts {
		if n > 0 {
			timer := time.NewTimer(iotPause)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			timer.Stop()
		}
		var host string
		var again bool
		if host, again, err = i.describeEndpoint(ctx); err == nil {
			return host
		}
		if !again || ctx.Err() != nil {
			break
		}
	}
	i.cfg.Logger.Warn("demo site: the address of AWS IoT's credential provider is not known", "region", i.cfg.Region, "error", err)
	text := err.Error()
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "..."
	}
	return "not available: " + text
}

// describeEndpoint calls iot:DescribeEndpoint (AWS IoT API reference, GET /endpoint?endpointType=iot:CredentialProvider).
func (i *Installer) describeEndpoint(ctx context.Context) (host string, again bool, err error) {
	base := i.cfg.IoTEndpoint
	if base == "" {
		base = "https://iot." + i.cfg.Region + "." + s3rule.DNSSuffix(i.cfg.Region)
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", false, fmt.Errorf("%q is no address of AWS IoT", base)
	}
	creds, err := i.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return "", false, fmt.Errorf("credentials: %w", err)
	}
	now := i.cfg.Now()
	date := string(sigv4.AppendTime(nil, now))
	query := string(sigv4.AppendQuery(nil, []sigv4.Param{{Name: "endpointType", Value: "iot:CredentialProvider"}}))
	headers := []sigv4.Header{{Name: "host", Value: u.Host}, {Name: "x-amz-date", Value: date}}
	if creds.SessionToken != "" {
		headers = append(headers, sigv4.Header{Name: "x-amz-security-token", Value: string(creds.SessionToken)})
	}
	var signer sigv4.Signer
	authorization := signer.AppendAuthorization(nil, &creds, i.cfg.Region, "iot", now, &sigv4.Request{
		Method: http.MethodGet, EscapedPath: "/endpoint", Query: query, Headers: headers, PayloadHash: sigv4.EmptySHA256,
	})

	ctx, cancel := context.WithTimeout(ctx, iotTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.Scheme+"://"+u.Host+"/endpoint?"+query, nil)
	if err != nil {
		return "", false, err
	}
	for _, h := range headers {
		if h.Name != "host" {
			req.Header.Set(h.Name, h.Value)
		}
	}
	req.Header.Set("Authorization", string(authorization))
	client := http.Client{Transport: i.cfg.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		var unwrapped *url.Error
		if errors.As(err, &unwrapped) {
			err = unwrapped.Err
		}
		return "", true, fmt.Errorf("AWS IoT at %s does not answer: %w", u.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return "", true, fmt.Errorf("AWS IoT at %s: %w", u.Host, err)
	}
	host, err = readEndpoint(res.StatusCode, res.Header.Get("X-Amzn-Errortype"), body)
	return host, res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests, err
}

// readEndpoint reads the answer.
func readEndpoint(status int, errorType string, body []byte) (string, error) {
	var answer struct {
		EndpointAddress string `json:"endpointAddress"`
		Message         string `json:"message"`
	}
	err := json.Unmarshal(body, &answer)
	if status != http.StatusOK {
		kind, _, _ := strings.Cut(errorType, ":")
		return "", fmt.Errorf("AWS IoT answers %d %s", status, printable(strings.TrimSpace(kind+" "+answer.Message)))
	}
	if err != nil {
		return "", fmt.Errorf("AWS IoT's answer cannot be read: %w", err)
	}
	if !isHost(answer.EndpointAddress) {
		return "", fmt.Errorf("AWS IoT's answer holds no host name: %s", printable(answer.EndpointAddress))
	}
	return answer.EndpointAddress, nil
}

func isHost(s string) bool {
	if len(s) == 0 || len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for _, c := range []byte(s) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// printable keeps foreign text fit for a stack's output.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, s)
	if len(s) > 150 {
		s = strings.ToValidUTF8(s[:150], "") + "..."
	}
	return s
}
