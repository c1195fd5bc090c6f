// SPDX-License-Identifier: Apache-2.0

// Package split makes the CloudFormation template of one partition out of the common source. CloudFormation refuses a
// template that names a resource type which its region does not have, even under a condition that is false, so no template
// serves both the regions of China and the others.
//
// A source is a template with three additions: !Where {global: A, china: B} chooses by partition, anchors with aliases and
// merge keys are written out, and the top-level entry Shared, which only holds anchors, is left out. Comments stay, but
// those of Shared.
//
// Used when the templates are generated and in tests, never in the product. Bounds: sources of 1 MiB, a result of 50,000
// values.
package split

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The partitions that !Where knows.
const (
	Global = "global"
	China  = "china"
)

const (
	maxSource = 1 << 20
	maxNodes  = 50_000 // aliases of aliases could grow without end
)

// Template returns the template of the partition, which is Global or China. header is its first lines, comments without
// line breaks at their ends. Errors name the line of the source.
func Template(source []byte, partition string, header ...string) ([]byte, error) {
	if partition != Global && partition != China {
		return nil, fmt.Errorf("split: unknown partition %q", partition)
	}
	if len(source) > maxSource {
		return nil, fmt.Errorf("split: source of %d bytes, at most %d are read", len(source), maxSource)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(source, &doc); err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("split: the source is not a mapping")
	}
	root := doc.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "Shared" {
			root.Content = append(root.Content[:i:i], root.Content[i+2:]...)
			break
		}
	}
	if len(root.Content) > 0 {
		root.Content[0].HeadComment = ""
	}
	doc.HeadComment, root.HeadComment = "", ""
	s := splitter{partition: partition}
	out, err := s.node(root)
	if err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	var b bytes.Buffer
	for _, line := range header {
		b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(out); err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	return b.Bytes(), nil
}

type splitter struct {
	partition string
	nodes     int
	depth     int
}

// node returns a copy of n for the partition; nil means that it is left out there.
func (s *splitter) node(n *yaml.Node) (*yaml.Node, error) {
	if s.nodes++; s.nodes > maxNodes {
		return nil, errors.New("the template grows too large")
	}
	if s.depth++; s.depth > 100 {
		return nil, fmt.Errorf("line %d: nested too deep", n.Line)
	}
	defer func() { s.depth-- }()
	if n.Tag == "!Where" {
		return s.where(n)
	}
	switch n.Kind {
	case yaml.AliasNode:
		c, err := s.node(n.Alias)
		if c != nil {
			c.HeadComment, c.LineComment, c.FootComment = n.HeadComment, n.LineComment, n.FootComment
		}
		return c, err
	case yaml.MappingNode:
		return s.mapping(n)
	}
	c := *n
	c.Anchor, c.Content = "", nil
	for _, item := range n.Content {
		v, err := s.node(item)
		if err != nil {
			return nil, err
		}
		if v != nil {
			c.Content = append(c.Content, v)
		}
	}
	return &c, nil
}

func (s *splitter) where(n *yaml.Node) (*yaml.Node, error) {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return nil, fmt.Errorf("line %d: !Where takes a mapping of partitions", n.Line)
	}
	var chosen *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch name := n.Content[i].Value; name {
		case s.partition:
			chosen = n.Content[i+1]
		case Global, China:
		default:
			return nil, fmt.Errorf("line %d: !Where knows %s and %s, not %q", n.Content[i].Line, Global, China, name)
		}
	}
	if chosen == nil {
		return nil, nil
	}
	return s.node(chosen)
}

// mapping copies a mapping. What is merged by << stands where << does, unless the mapping itself has the key.
func (s *splitter) mapping(n *yaml.Node) (*yaml.Node, error) {
	c := *n
	c.Anchor, c.Content = "", nil
	own := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || strings.HasPrefix(key.Tag, "!") && !strings.HasPrefix(key.Tag, "!!") {
			return nil, fmt.Errorf("line %d: a key must be plain text", key.Line)
		}
		if own[key.Value] {
			return nil, fmt.Errorf("line %d: %q stands there twice", key.Line, key.Value)
		}
		own[key.Value] = true
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		v, err := s.node(value)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		if key.Tag == "!!merge" {
			if v.Kind != yaml.MappingNode {
				return nil, fmt.Errorf("line %d: << takes a mapping", key.Line)
			}
			for j := 0; j+1 < len(v.Content); j += 2 {
				if !own[v.Content[j].Value] {
					c.Content = append(c.Content, v.Content[j], v.Content[j+1])
				}
			}
			continue
		}
		k := *key
		k.Anchor = ""
		c.Content = append(c.Content, &k, v)
	}
	return &c, nil
}

// Header is what the generated templates begin with.
func Header() []string {
	return []string{"SPDX-License-Identifier: Apache-2.0", "Code generated from stack.yaml by `go generate ./deploy/cloudformation`. DO NOT EDIT."}
}
