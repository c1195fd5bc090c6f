// SPDX-License-Identifier: Apache-2.0

package cfntest_test

import (
	"strings"
	"testing"

	"github.com/s3cam/s3cam/test/aws/cfntest"
)

func statement(effect, action, resource string, condition map[string]any) map[string]any {
	s := map[string]any{"Effect": effect, "Action": action, "Resource": resource}
	if condition != nil {
		s["Condition"] = condition
	}
	return s
}

func policy(t *testing.T, statements ...any) cfntest.Policy {
	t.Helper()
	p, err := cfntest.ReadPolicy(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyDecisions(t *testing.T) {
	like := func(patterns ...any) map[string]any {
		return map[string]any{"StringLike": map[string]any{"s3:prefix": patterns}}
	}
	const bucket = "arn:aws:s3:::b"
	insecure := map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}
	list := statement("Allow", "s3:ListBucket", bucket, like("*/20??/??/??/*"))
	own := statement("Allow", "s3:Put*", bucket+"/${credentials-iot:ThingName}/*.ts", nil)
	tests := []struct {
		name       string
		statements []any
		action     string
		resource   string
		context    map[string]string
		want       cfntest.Decision
	}{
		{"an action that no statement names is not allowed", []any{list}, "s3:GetObject", bucket + "/a", nil, cfntest.ImplicitDeny},
		{"another bucket is not allowed", []any{list}, "s3:ListBucket", "arn:aws:s3:::bb", map[string]string{"s3:prefix": "a/2026/11/25/"}, cfntest.ImplicitDeny},
		{"a prefix that fits is allowed", []any{list}, "s3:ListBucket", bucket, map[string]string{"s3:prefix": "a/2026/11/25/"}, cfntest.Allow},
		{"condition keys do not depend on case", []any{list}, "s3:ListBucket", bucket, map[string]string{"S3:Prefix": "a/2026/11/25/"}, cfntest.Allow},
		{"actions do not depend on case", []any{list}, "S3:listbucket", bucket, map[string]string{"s3:prefix": "a/2026/11/25/"}, cfntest.Allow},
		{"a prefix that is too short is not", []any{list}, "s3:ListBucket", bucket, map[string]string{"s3:prefix": "a/2026/11/"}, cfntest.ImplicitDeny},
		{"an empty prefix is not", []any{list}, "s3:ListBucket", bucket, map[string]string{"s3:prefix": ""}, cfntest.ImplicitDeny},
		{"without the key the condition fails", []any{list}, "s3:ListBucket", bucket, nil, cfntest.ImplicitDeny},
		{"one of several values is enough", []any{statement("Allow", "s3:ListBucket", bucket, like("x/*", "y/*"))}, "s3:ListBucket", bucket,
			map[string]string{"s3:prefix": "y/1"}, cfntest.Allow},
		{"a variable stands for the caller's thing", []any{own}, "s3:PutObject", bucket + "/cam1/2026/a.ts", map[string]string{"credentials-iot:ThingName": "cam1"}, cfntest.Allow},
		{"and for no other", []any{own}, "s3:PutObject", bucket + "/cam2/2026/a.ts", map[string]string{"credentials-iot:ThingName": "cam1"}, cfntest.ImplicitDeny},
		{"a longer name is another", []any{own}, "s3:PutObject", bucket + "/cam10/a.ts", map[string]string{"credentials-iot:ThingName": "cam1"}, cfntest.ImplicitDeny},
		{"an unknown variable matches nothing", []any{own}, "s3:PutObject", bucket + "/cam1/a.ts", nil, cfntest.ImplicitDeny},
		{"a star in a variable's value is a star", []any{own}, "s3:PutObject", bucket + "/cam1/a.ts", map[string]string{"credentials-iot:ThingName": "*"}, cfntest.ImplicitDeny},
		{"objects depend on case", []any{own}, "s3:PutObject", bucket + "/CAM1/a.ts", map[string]string{"credentials-iot:ThingName": "cam1"}, cfntest.ImplicitDeny},
		{"a Deny wins over an Allow before it", []any{statement("Allow", "s3:*", "*", nil), statement("Deny", "s3:*", bucket+"/*", insecure)},
			"s3:GetObject", bucket + "/a", map[string]string{"aws:SecureTransport": "false"}, cfntest.ExplicitDeny},
		{"a Deny whose condition fails does not", []any{statement("Deny", "s3:*", bucket+"/*", insecure), statement("Allow", "s3:*", "*", nil)},
			"s3:GetObject", bucket + "/a", map[string]string{"aws:SecureTransport": "true"}, cfntest.Allow},
		{"a wildcard for the account stays in its field", []any{statement("Allow", "iot:*", "arn:aws:iot:*:thing/a", nil)},
			"iot:DescribeThing", "arn:aws:iot:eu-central-1:1:thing/a", nil, cfntest.ImplicitDeny},
		{"a negated operator holds without the key", []any{statement("Allow", "s3:GetObject", "*", map[string]any{"StringNotEquals": map[string]any{"aws:x": "y"}})},
			"s3:GetObject", bucket + "/a", nil, cfntest.Allow},
		{"IfExists holds without the key", []any{statement("Allow", "s3:GetObject", "*", map[string]any{"StringEqualsIfExists": map[string]any{"aws:x": "y"}})},
			"s3:GetObject", bucket + "/a", nil, cfntest.Allow},
		{"IfExists looks at a key that is there", []any{statement("Allow", "s3:GetObject", "*", map[string]any{"StringEqualsIfExists": map[string]any{"aws:x": "y"}})},
			"s3:GetObject", bucket + "/a", map[string]string{"aws:x": "z"}, cfntest.ImplicitDeny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := policy(t, tt.statements...).Decide(cfntest.Request{Action: tt.action, Resource: tt.resource, Context: tt.context})
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPoliciesThatCannotBeJudgedAreRefused(t *testing.T) {
	for name, s := range map[string]any{
		"NotAction":        map[string]any{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"},
		"unknown operator": statement("Allow", "s3:*", "*", map[string]any{"DateLessThan": map[string]any{"aws:CurrentTime": "2026"}}),
		"no effect":        map[string]any{"Action": "s3:*", "Resource": "*"},
		"no action":        map[string]any{"Effect": "Allow", "Resource": "*"},
		"odd effect":       statement("Maybe", "s3:*", "*", nil),
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := cfntest.ReadPolicy(map[string]any{"Version": "2012-10-17", "Statement": []any{s}}); err == nil {
				t.Errorf("got %+v, want an error", p)
			}
		})
	}
	if _, err := cfntest.ReadPolicy(map[string]any{"Version": "2008-10-17", "Statement": []any{statement("Allow", "s3:*", "*", nil)}}); err == nil {
		t.Error("an old version of the policy language, which knows no variables, was taken")
	}
}

// Wildcards against a slow but plain matcher.
func FuzzWildcards(f *testing.F) {
	for _, s := range [][2]string{{"*/20??/*", "a/2026/11"}, {"", ""}, {"*", ""}, {"?", ""}, {"a*b*c", "aXbXbc"}, {"**?", "x"}, {"a:b*", "a:b:c"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 24 || strings.Contains(pattern, "${") {
			t.Skip("the plain matcher is exponential: only short patterns, without variables")
		}
		p := policy(t, map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": map[string]any{"StringLike": map[string]any{"k": pattern}}})
		got := p.Decide(cfntest.Request{Action: "a", Resource: "r", Context: map[string]string{"k": text}}) == cfntest.Allow
		if want := plainMatch(pattern, text); got != want {
			t.Errorf("StringLike %q for %q: got %v, want %v", pattern, text, got, want)
		}
	})
}

func plainMatch(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return plainMatch(pattern[1:], text) || text != "" && plainMatch(pattern, text[1:])
	case text == "":
		return false
	}
	return (pattern[0] == '?' || pattern[0] == text[0]) && plainMatch(pattern[1:], text[1:])
}
