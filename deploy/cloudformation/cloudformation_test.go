// SPDX-License-Identifier: Apache-2.0

package cloudformation_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/s3cam/s3cam/deploy/cloudformation"
	"github.com/s3cam/s3cam/deploy/cloudformation/split"
)

func TestTemplatesAreWhatTheSourceSays(t *testing.T) {
	source, err := os.ReadFile("stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for partition, got := range map[string][]byte{split.Global: cloudformation.Template(false), split.China: cloudformation.Template(true)} {
		want, err := split.Template(source, partition, split.Header()...)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s.yaml is not what stack.yaml makes; run go generate ./deploy/cloudformation", partition)
		}
		if len(got) >= cloudformation.MaxInline {
			t.Errorf("%s.yaml has %d bytes; CloudFormation takes %d in a request", partition, len(got), cloudformation.MaxInline)
		}
	}
}

func TestTemplateIsACopy(t *testing.T) {
	cloudformation.Template(true)[0] = 'X'
	if got := cloudformation.Template(true)[0]; got != '#' {
		t.Errorf("a caller's change shows in the next copy: %q", got)
	}
}
