// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"testing"

	"github.com/s3cam/s3cam/internal/deploy"
)

func FuzzParseTemplate(f *testing.F) {
	f.Add([]byte(template), "6")
	f.Add([]byte(`{"Resources":{"A":{"Type":"AWS::S3::Bucket"}},"Parameters":{"P":{"Type":"Number","MinValue":1}}}`), "NaN")
	f.Add([]byte("Resources: {A: }\nParameters: {P: {AllowedPattern: '('}}"), "")
	f.Add([]byte("Resources: &a {A: *a}"), "x")
	f.Fuzz(func(t *testing.T, body []byte, value string) {
		tpl, err := deploy.ParseTemplate(body)
		if err != nil {
			return
		}
		for i := range tpl.Parameters {
			p := &tpl.Parameters[i]
			if err := p.Check(value); err != nil && err.Error() == "" {
				t.Error("an error without text")
			}
			if name, ok, _ := tpl.Canonical(p.Name); !ok || name == "" && p.Name != "" {
				t.Errorf("%q is not its own name: %q, %v", p.Name, name, ok)
			}
		}
	})
}
