// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// iotEndpoint is what IoT answers to DescribeEndpoint.
const iotEndpoint = "c0123456789abc.credentials.iot.us-east-1.amazonaws.com"

// startIoT stands for IoT's control plane: moto refuses every signed GET of it, also the SDK's with the administrator's keys. It
// makes the signature anew with the SDK's signer and compares.
func startIoT(t *testing.T, known *people) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := signer(r)
		who, ok := known.find(key)
		if !ok || r.Method != http.MethodGet || r.URL.Path != "/endpoint" || r.URL.RawQuery != "endpointType=iot%3ACredentialProvider" {
			w.Header().Set("X-Amzn-Errortype", "InvalidRequestException:")
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if err := verify(r, who); err != nil {
			w.Header().Set("X-Amzn-Errortype", "InvalidSignatureException:")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"message":%q}`, err.Error())
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"endpointAddress":%q}`, iotEndpoint)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// verify checks the signature of a request without a body.
func verify(r *http.Request, who person) error {
	m := regexp.MustCompile(`/([a-z0-9-]+)/iot/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$`).FindStringSubmatch(r.Header.Get("Authorization"))
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if m == nil || err != nil {
		return fmt.Errorf("not a signature of version 4 for iot: %q at %q", r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"))
	}
	if skew := time.Since(at); skew.Abs() > 5*time.Minute {
		return fmt.Errorf("signed %v ago", skew)
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(m[2], ";") {
		if name != "host" {
			again.Header.Set(name, r.Header.Get(name))
		}
	}
	empty := sha256.Sum256(nil)
	if err := v4.NewSigner().SignHTTP(r.Context(), who.creds, again, hex.EncodeToString(empty[:]), "iot", m[1], at); err != nil {
		return err
	}
	if got := again.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+m[3]) {
		return fmt.Errorf("the signature does not match: the SDK makes %s of %s", got, m[2])
	}
	return nil
}
