// SPDX-License-Identifier: Apache-2.0

package split_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/s3cam/s3cam/deploy/cloudformation/split"
)

const source = `# about the source
Shared:
  - &Name x-${Id}
  - &Base {a: '1', b: '2'}
  - &List [p, q]
Description: !Where {global: all, china: cn}
Only: !Where
  china:
    Type: T
Items:
  - !Where {global: one}
  - !Where {china: two}
  - three
Merged:
  <<: *Base
  b: own
  # stays
  c: !Sub
    - *Name
    - Id: !Select [0, *List]
Where: !Where {global: !Ref A, china: !GetAtt A.B}
`

func TestSplit(t *testing.T) {
	for partition, want := range map[string]string{
		split.Global: "# made\nDescription: all\nItems:\n  - one\n  - three\nMerged:\n  a: '1'\n  b: own\n  # stays\n  c: !Sub\n    - x-${Id}\n    - Id: !Select [0, [p, q]]\nWhere: !Ref A\n",
		split.China:  "# made\nDescription: cn\nOnly:\n  Type: T\nItems:\n  - two\n  - three\nMerged:\n  a: '1'\n  b: own\n  # stays\n  c: !Sub\n    - x-${Id}\n    - Id: !Select [0, [p, q]]\nWhere: !GetAtt A.B\n",
	} {
		t.Run(partition, func(t *testing.T) {
			got, err := split.Template([]byte(source), partition, "made")
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestSplitNamesTheFault(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"an unknown partition in !Where": {"A: !Where {mars: 1}", `line 1: !Where knows global and china, not "mars"`},
		"!Where without partitions":      {"A: 1\nB: !Where x", "line 2: !Where takes a mapping"},
		"a key twice":                    {"A: {b: 1, b: 2}", `"b" stands there twice`},
		"<< of a list":                   {"Shared: [&L [1]]\nA: {<<: *L}", "<< takes a mapping"},
		"no mapping":                     {"- a", "not a mapping"},
		"a key with a tag":               {"A: {!Where b: 1}", "a key must be plain text"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := split.Template([]byte(tt.text), split.Global); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, %v; want an error with %q", got, err, tt.want)
			}
		})
	}
	if _, err := split.Template([]byte("A: 1"), "mars"); err == nil {
		t.Error("partition mars was taken")
	}
}

// What is made can be read, holds no alias and no !Where, and is made of itself again.
func FuzzSplit(f *testing.F) {
	f.Add(source)
	f.Add("A: &a [*a]")
	f.Add("A: &a {b: &b [x, x], c: [*b, *b]}\nD: [*a, *a]")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := split.Template([]byte(text), split.China)
		if err != nil {
			return
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(got, &doc); err != nil {
			t.Skip("the YAML package does not read everything that it writes")
		}
		var walk func(n *yaml.Node)
		walk = func(n *yaml.Node) {
			if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!Where" {
				t.Fatalf("left in what was made: %+v\n%s", n, got)
			}
			for _, c := range n.Content {
				walk(c)
			}
		}
		walk(&doc)
	})
}
