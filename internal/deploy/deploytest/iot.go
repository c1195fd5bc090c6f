// SPDX-License-Identifier: Apache-2.0

package deploytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"
)

// iot is what AWS IoT knows: things with their attributes, and certificates by their ARN.
type iot struct {
	things map[string]map[string]string
	certs  map[string]*certificate
}

type certificate struct {
	status           string
	things, policies []string
}

// Things lists the things there are.
func (s *Server) Things() (names []string) {
	s.locked(func() { names = slices.Sorted(maps.Keys(s.iot.things)) })
	return names
}

// Certificates counts those there are by their status.
func (s *Server) Certificates() (active, inactive int) {
	s.locked(func() {
		for _, c := range s.iot.certs {
			if c.status == "ACTIVE" {
				active++
			} else {
				inactive++
			}
		}
	})
	return active, inactive
}

const certARN = "arn:aws:iot:region:" + Account + ":cert/"

// serveIoT answers the requests of AWS IoT and tells whether it was one.
func (s *Server) serveIoT(w http.ResponseWriter, r *http.Request, body []byte) bool {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !slices.Contains([]string{"things", "principals", "certificates", "target-policies", "attached-policies", "policy-targets"}, first) {
		return false
	}
	name, sub, _ := strings.Cut(rest, "/")
	s.calls = append(s.calls, "iot:"+r.Method+" "+r.URL.Path)
	var in struct {
		AttributePayload          struct{ Attributes map[string]string }
		CertificateSigningRequest string
		Target                    string
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			s.t.Errorf("deploytest: %s: %v", r.URL, err)
		}
	}
	out := map[string]any{}
	bad := func(status int, code string) bool {
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":%q}`, code+" for "+r.Method+" "+r.URL.Path)
		return true
	}
	cert := s.iot.certs[r.Header.Get("X-Amzn-Principal")]
	switch route := r.Method + " " + first; {
	case route == "GET things" && name == "":
		things := []map[string]any{}
		for _, n := range slices.Sorted(maps.Keys(s.iot.things)) {
			if a := s.iot.things[n]; a[r.URL.Query().Get("attributeName")] == r.URL.Query().Get("attributeValue") {
				things = append(things, map[string]any{"thingName": n, "attributes": a})
			}
		}
		out["things"] = things
	case route == "POST things":
		s.iot.things[name] = in.AttributePayload.Attributes
		out["thingName"], out["thingArn"] = name, "arn:aws:iot:region:"+Account+":thing/"+name
	case first == "things" && s.iot.things[name] == nil:
		return bad(404, "ResourceNotFoundException")
	case sub == "principals" && r.Method == http.MethodGet:
		out["principals"] = s.iot.holding(func(c *certificate) bool { return slices.Contains(c.things, name) })
	case sub == "principals" && r.Method == http.MethodPut:
		cert.things = append(cert.things, name)
	case sub == "principals":
		cert.things = slices.DeleteFunc(cert.things, func(t string) bool { return t == name })
	case route == "GET things":
		out["thingName"], out["attributes"] = name, s.iot.things[name]
	case route == "DELETE things":
		delete(s.iot.things, name)
	case route == "GET principals":
		out["things"] = cert.things
	case route == "POST certificates":
		s.ids++
		id := fmt.Sprintf("%064x", s.ids)
		text, err := certify(in.CertificateSigningRequest, int64(s.ids))
		if err != nil {
			s.t.Errorf("deploytest: %v", err)
			return bad(400, "InvalidRequestException")
		}
		s.iot.certs[certARN+id] = &certificate{status: "ACTIVE"}
		out["certificateId"], out["certificateArn"], out["certificatePem"] = id, certARN+id, text
	case first == "certificates":
		c := s.iot.certs[certARN+name]
		switch r.Method {
		case http.MethodGet:
			out["certificateDescription"] = map[string]any{"status": c.status, "creationDate": s.began.Unix()}
		case http.MethodPut:
			c.status = r.URL.Query().Get("newStatus")
		default:
			if c.status == "ACTIVE" || len(c.things)+len(c.policies) > 0 {
				return bad(409, "DeleteConflictException")
			}
			delete(s.iot.certs, certARN+name)
		}
	case route == "PUT target-policies":
		c := s.iot.certs[in.Target]
		c.policies = append(c.policies, name)
	case route == "POST target-policies":
		c := s.iot.certs[in.Target]
		c.policies = slices.DeleteFunc(c.policies, func(p string) bool { return p == name })
	case first == "attached-policies":
		policies := []map[string]string{}
		for _, p := range s.iot.certs[rest].policies {
			policies = append(policies, map[string]string{"policyName": p})
		}
		out["policies"] = policies
	case first == "policy-targets":
		out["targets"] = s.iot.holding(func(c *certificate) bool { return slices.Contains(c.policies, name) })
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.t.Errorf("deploytest: %v", err)
	}
	return true
}

func (i iot) holding(f func(*certificate) bool) []string {
	arns := []string{}
	for _, arn := range slices.Sorted(maps.Keys(i.certs)) {
		if f(i.certs[arn]) {
			arns = append(arns, arn)
		}
	}
	return arns
}

// certify makes the certificate that a request asks for.
func certify(csr string, serial int64) (string, error) {
	block, _ := pem.Decode([]byte(csr))
	if block == nil {
		return "", errors.New("no certificate request")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return "", err
	}
	if err := request.CheckSignature(); err != nil {
		return "", err
	}
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: request.Subject, NotAfter: time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, request.PublicKey, ca)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}
