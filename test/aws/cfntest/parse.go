// SPDX-License-Identifier: Apache-2.0

package cfntest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxTemplate = 1 << 20
	maxNodes    = 200_000
	maxDepth    = 100
)

// Template is a template that was read. Its values hold functions in their long form, as {"Fn::Sub": ...}.
type Template struct {
	Description string
	Parameters  []Parameter // in the template's order
	Metadata    map[string]any

	order      []string // logical ids in the template's order
	rules      map[string]any
	conditions map[string]any
	resources  map[string]any
	outputs    map[string]any
}

// Resources lists the logical ids of all resources in the template's order, whatever their conditions.
func (t *Template) Resources() []string { return slices.Clone(t.order) }

// Type returns the type of the resource with this logical id, "" when there is none.
func (t *Template) Type(id string) string {
	m, _ := t.resources[id].(map[string]any)
	s, _ := m["Type"].(string)
	return s
}

// Raw returns a resource as it stands in the template, functions unresolved. The caller must not change it.
func (t *Template) Raw(id string) map[string]any {
	m, _ := t.resources[id].(map[string]any)
	return m
}

// RawOutputs returns the outputs as they stand in the template. The caller must not change them.
func (t *Template) RawOutputs() map[string]any { return t.outputs }

// Parse reads a template. References to parameters, resources and conditions that do not exist are errors, also where they
// would never be used.
func Parse(text []byte) (*Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("cfntest: template of %d bytes, at most %d are read", len(text), maxTemplate)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("cfntest: %w", err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("cfntest: the template is not a mapping")
	}
	var r reader
	value, err := r.value(doc.Content[0])
	if err != nil {
		return nil, fmt.Errorf("cfntest: %w", err)
	}
	t := &Template{}
	top, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("cfntest: the template is not a mapping")
	}
	for key, v := range top {
		m, isMap := v.(map[string]any)
		switch key {
		case "Description":
			t.Description, _ = v.(string)
			continue
		case "AWSTemplateFormatVersion":
			if v != "2010-09-09" {
				return nil, fmt.Errorf("cfntest: AWSTemplateFormatVersion is %v", v)
			}
			continue
		}
		if !isMap {
			return nil, fmt.Errorf("cfntest: %s is not a mapping", key)
		}
		switch key {
		case "Metadata":
			t.Metadata = m
		case "Parameters":
		case "Rules":
			t.rules = m
		case "Conditions":
			t.conditions = m
		case "Resources":
			t.resources = m
		case "Outputs":
			t.outputs = m
		default:
			return nil, fmt.Errorf("cfntest: unknown section %s", key)
		}
	}
	if len(t.resources) == 0 {
		return nil, errors.New("cfntest: the template has no resources")
	}
	t.order = keysOf(doc.Content[0], "Resources")
	params, _ := top["Parameters"].(map[string]any)
	for _, name := range keysOf(doc.Content[0], "Parameters") {
		p, err := readParameter(name, params[name])
		if err != nil {
			return nil, fmt.Errorf("cfntest: parameter %s: %w", name, err)
		}
		t.Parameters = append(t.Parameters, p)
	}
	if err := t.checkReferences(); err != nil {
		return nil, fmt.Errorf("cfntest: %w", err)
	}
	return t, nil
}

// keysOf returns the keys of a top-level mapping in order.
func keysOf(root *yaml.Node, section string) (names []string) {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != section {
			continue
		}
		n := root.Content[i+1]
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		for j := 0; j+1 < len(n.Content); j += 2 {
			names = append(names, n.Content[j].Value)
		}
	}
	return names
}

type reader struct{ nodes, depth int }

// value turns a node into strings, []any and map[string]any, short tags into their long form.
func (r *reader) value(n *yaml.Node) (any, error) {
	if r.nodes++; r.nodes > maxNodes {
		return nil, errors.New("the template is too large")
	}
	if r.depth++; r.depth > maxDepth {
		return nil, fmt.Errorf("line %d: nested too deep", n.Line)
	}
	defer func() { r.depth-- }()
	var v any
	switch n.Kind {
	case yaml.AliasNode:
		return r.value(n.Alias)
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil, fmt.Errorf("line %d: null, which CloudFormation refuses", n.Line)
		}
		v = n.Value
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			item, err := r.value(c)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		v = list
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: %q stands there twice", n.Content[i].Line, key)
			}
			item, err := r.value(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[key] = item
		}
		v = m
	default:
		return nil, fmt.Errorf("line %d: not a value", n.Line)
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return long(n, v)
	}
	return v, nil
}

// long is a short tag's long form.
func long(n *yaml.Node, v any) (any, error) {
	name := n.Tag[1:]
	switch name {
	case "Ref", "Condition":
	case "GetAtt":
		name = "Fn::GetAtt"
		if s, ok := v.(string); ok {
			id, attribute, ok := strings.Cut(s, ".")
			if !ok {
				return nil, fmt.Errorf("line %d: !GetAtt %s has no attribute", n.Line, s)
			}
			v = []any{id, attribute}
		}
	case "Sub", "If", "Equals", "Not", "And", "Or", "Join", "Split", "Select", "Contains":
		name = "Fn::" + name
	default:
		return nil, fmt.Errorf("line %d: unknown function !%s", n.Line, name)
	}
	return map[string]any{name: v}, nil
}

// function returns the name and argument of a value that is a function.
func function(v any) (name string, argument any, ok bool) {
	m, isMap := v.(map[string]any)
	if !isMap || len(m) != 1 {
		return "", nil, false
	}
	for name, argument = range m {
	}
	if name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::") {
		// {"Condition": {"StringLike": ...}} is an entry of a policy, not a function.
		if _, isName := argument.(string); name != "Condition" || isName {
			return name, argument, true
		}
	}
	return "", nil, false
}

// checkReferences finds names that nothing has, in every branch.
func (t *Template) checkReferences() error {
	var problems []error
	bad := func(where, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
	}
	names := map[string]bool{}
	for _, p := range t.Parameters {
		names[p.Name] = true
	}
	var walk func(where string, v any)
	reference := func(where, name string) {
		_, resource := t.resources[name]
		if !strings.HasPrefix(name, "AWS::") && !names[name] && !resource {
			bad(where, "there is no parameter or resource %q", name)
		}
	}
	attribute := func(where, id string) {
		if _, ok := t.resources[id]; !ok {
			bad(where, "there is no resource %q", id)
		}
	}
	walk = func(where string, v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(where, item)
			}
		case map[string]any:
			name, argument, _ := function(v)
			list, _ := argument.([]any)
			switch name {
			case "Ref":
				s, _ := argument.(string)
				reference(where, s)
			case "Condition":
				if _, ok := t.conditions[argument.(string)]; !ok {
					bad(where, "there is no condition %q", argument)
				}
			case "Fn::If":
				if len(list) == 3 {
					if s, _ := list[0].(string); t.conditions[s] == nil {
						bad(where, "there is no condition %q", list[0])
					}
				}
			case "Fn::GetAtt":
				if len(list) == 2 {
					s, _ := list[0].(string)
					attribute(where, s)
				}
				return
			case "Fn::Sub":
				text, vars := subArguments(argument)
				for _, part := range subParts(text) {
					if _, isLocal := vars[part.name]; part.name == "" || isLocal {
						continue
					}
					if id, _, dotted := strings.Cut(part.name, "."); dotted {
						attribute(where, id)
					} else {
						reference(where, part.name)
					}
				}
			}
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(where, v[key])
			}
		}
	}
	for _, section := range []map[string]any{t.rules, t.conditions, t.resources, t.outputs} {
		for _, name := range slices.Sorted(maps.Keys(section)) {
			walk(name, section[name])
		}
	}
	for id, r := range t.resources {
		m, ok := r.(map[string]any)
		if !ok {
			return fmt.Errorf("resource %s is not a mapping", id)
		}
		if s, ok := m["Condition"].(string); ok && t.conditions[s] == nil {
			bad(id, "there is no condition %q", s)
		}
		for _, d := range dependsOn(m) {
			if _, ok := t.resources[d]; !ok {
				bad(id, "DependsOn: there is no resource %q", d)
			}
		}
	}
	return errors.Join(problems...)
}

func dependsOn(resource map[string]any) (ids []string) {
	switch d := resource["DependsOn"].(type) {
	case string:
		return []string{d}
	case []any:
		for _, v := range d {
			if s, ok := v.(string); ok {
				ids = append(ids, s)
			}
		}
	}
	return ids
}
