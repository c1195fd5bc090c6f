// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template is what this package reads of a CloudFormation template.
type Template struct {
	Body       []byte
	Parameters []Parameter       // as they stand in the template
	Types      map[string]string // logical id -> type of each resource

	resources *yaml.Node
}

// Parameter is one parameter with the template's own rules.
type Parameter struct {
	Name, Type, Description string
	Default                 string
	Required                bool // there is no default

	pattern        *regexp.Regexp // matches the whole value; nil: any
	rule           string         // the pattern as written
	allowed        []string
	min, max       *float64
	minLen, maxLen int // maxLen -1: any
	constraint     string
	secret         bool // NoEcho: its value is not shown
}

// maxTemplate is CloudFormation's bound on templates in S3.
const maxTemplate = 1 << 20

// ParseTemplate reads a template in YAML or JSON. It does not check the resources.
func ParseTemplate(body []byte) (*Template, error) {
	if len(body) > maxTemplate {
		return nil, fmt.Errorf("the template has %d bytes, CloudFormation takes %d", len(body), maxTemplate)
	}
	var doc struct {
		Parameters yaml.Node `yaml:"Parameters"`
		Resources  yaml.Node `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if doc.Resources.Kind != yaml.MappingNode || len(doc.Resources.Content) == 0 {
		return nil, errors.New("the template has no resources")
	}
	t := &Template{Body: body, Types: map[string]string{}, resources: &doc.Resources}
	for name, n := range pairs(&doc.Resources) {
		for key, v := range pairs(n) {
			if key == "Type" {
				t.Types[name] = v.Value
			}
		}
	}
	for name, n := range pairs(&doc.Parameters) {
		p, err := parseParameter(name, n)
		if err != nil {
			return nil, err
		}
		t.Parameters = append(t.Parameters, p)
	}
	return t, nil
}

// pairs walks a mapping; other nodes have none.
func pairs(n *yaml.Node) func(func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}

func parseParameter(name string, n *yaml.Node) (Parameter, error) {
	p := Parameter{Name: name, Type: "String", Required: true, maxLen: -1}
	for key, v := range pairs(n) {
		var err error
		switch key {
		case "Type":
			p.Type = v.Value
		case "Default":
			p.Default, p.Required = v.Value, false
		case "Description":
			p.Description = v.Value
		case "ConstraintDescription":
			p.constraint = v.Value
		case "AllowedPattern":
			p.rule = v.Value
			p.pattern, err = regexp.Compile(`^(?:` + v.Value + `)$`)
		case "AllowedValues":
			for _, c := range v.Content {
				p.allowed = append(p.allowed, c.Value)
			}
		case "MinValue", "MaxValue":
			var f float64
			if f, err = strconv.ParseFloat(v.Value, 64); key == "MinValue" {
				p.min = &f
			} else {
				p.max = &f
			}
		case "NoEcho":
			p.secret = v.Value == "true"
		case "MinLength":
			p.minLen, err = strconv.Atoi(v.Value)
		case "MaxLength":
			p.maxLen, err = strconv.Atoi(v.Value)
		}
		if err != nil {
			return p, fmt.Errorf("template: parameter %s, %s: %w", name, key, err)
		}
	}
	return p, nil
}

// Check tells whether CloudFormation would take the value. The error matches [ErrSettings] and names value and rule.
func (p *Parameter) Check(value string) error {
	bad := func(want string, args ...any) error {
		want = fmt.Sprintf(want, args...)
		hint := p.Description
		if p.constraint != "" {
			hint = p.constraint
		}
		if p.secret {
			return settings(hint, "parameter %s: its value is not allowed: %s", p.Name, want)
		}
		return settings(hint, "parameter %s: %q is not allowed: %s", p.Name, value, want)
	}
	switch {
	case p.Type == "Number":
		f, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil || strings.ContainsAny(value, "xXpPnN_"):
			return bad("it must be a number")
		case p.min != nil && p.max != nil && (f < *p.min || f > *p.max):
			return bad("it must be from %v to %v", *p.min, *p.max)
		case p.min != nil && f < *p.min:
			return bad("it must be at least %v", *p.min)
		case p.max != nil && f > *p.max:
			return bad("it must be at most %v", *p.max)
		}
	case len(value) < p.minLen || p.maxLen >= 0 && len(value) > p.maxLen:
		if p.maxLen < 0 {
			return bad("it must have at least %d characters", p.minLen)
		}
		return bad("it must have from %d to %d characters, and has %d", p.minLen, p.maxLen, len(value))
	}
	if len(p.allowed) > 0 && !slices.Contains(p.allowed, value) {
		return bad("it must be one of %s", strings.Join(p.allowed, ", "))
	}
	if p.pattern != nil && !p.pattern.MatchString(value) {
		return bad("it must match %s", p.rule)
	}
	return nil
}

// parameter returns the parameter of this name, or nil.
func (t *Template) parameter(name string) *Parameter {
	for i := range t.Parameters {
		if t.Parameters[i].Name == name {
			return &t.Parameters[i]
		}
	}
	return nil
}
