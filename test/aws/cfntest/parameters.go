// SPDX-License-Identifier: Apache-2.0

package cfntest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parameter is one parameter of a template.
type Parameter struct {
	Name, Type  string
	Description string
	Constraint  string // ConstraintDescription
	Default     string
	HasDefault  bool
	Pattern     string   // AllowedPattern
	Allowed     []string // AllowedValues
	Min, Max    string   // MinValue, MaxValue; "" when there is none
	MaxLength   string
}

func readParameter(name string, v any) (p Parameter, err error) {
	m, ok := v.(map[string]any)
	if !ok {
		return p, errors.New("not a mapping")
	}
	p.Name = name
	text := func(key string, dst *string) {
		if s, ok := m[key].(string); ok {
			*dst = s
		} else if m[key] != nil {
			err = fmt.Errorf("%s is not a scalar", key)
		}
	}
	for key := range m {
		switch key {
		case "Type", "Default", "Description", "ConstraintDescription", "AllowedPattern", "AllowedValues", "MinValue", "MaxValue", "MaxLength", "NoEcho":
		default:
			return p, fmt.Errorf("unknown entry %s", key)
		}
	}
	text("Type", &p.Type)
	text("Default", &p.Default)
	text("Description", &p.Description)
	text("ConstraintDescription", &p.Constraint)
	text("AllowedPattern", &p.Pattern)
	text("MinValue", &p.Min)
	text("MaxValue", &p.Max)
	text("MaxLength", &p.MaxLength)
	_, p.HasDefault = m["Default"]
	if list, ok := m["AllowedValues"].([]any); ok {
		for _, a := range list {
			s, _ := a.(string)
			p.Allowed = append(p.Allowed, s)
		}
	}
	if !slices.Contains([]string{"String", "Number", "CommaDelimitedList"}, p.Type) && err == nil {
		err = fmt.Errorf("unknown type %q", p.Type)
	}
	return p, err
}

// Check reports why CloudFormation would refuse the value.
func (p *Parameter) Check(value string) error {
	bad := func(format string, args ...any) error {
		why := fmt.Sprintf(format, args...)
		if p.Constraint != "" {
			why += ": " + p.Constraint
		}
		return fmt.Errorf("parameter %s is %q, %s", p.Name, value, why)
	}
	if p.Type == "Number" {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return bad("not a number")
		}
		bound := func(s string, wrong func(b float64) bool) bool {
			b, err := strconv.ParseFloat(s, 64)
			return s != "" && (err != nil || wrong(b))
		}
		if bound(p.Min, func(b float64) bool { return n < b }) || bound(p.Max, func(b float64) bool { return n > b }) {
			return bad("want %s to %s", p.Min, p.Max)
		}
	}
	if len(p.Allowed) > 0 && !slices.Contains(p.Allowed, value) {
		return bad("want one of %s", strings.Join(p.Allowed, ", "))
	}
	if p.MaxLength != "" {
		if n, err := strconv.Atoi(p.MaxLength); err != nil || len(value) > n {
			return bad("longer than %s", p.MaxLength)
		}
	}
	if p.Pattern != "" {
		re, err := regexp.Compile(`\A(?:` + p.Pattern + `)\z`)
		if err != nil {
			return bad("AllowedPattern: %v", err)
		}
		if !re.MatchString(value) {
			return bad("want %s", p.Pattern)
		}
	}
	return nil
}

// parameters joins defaults and what was given, and checks all of them.
func (t *Template) parameters(given map[string]string) (map[string]string, error) {
	values := map[string]string{}
	var problems []error
	for i := range t.Parameters {
		p := &t.Parameters[i]
		v, ok := given[p.Name]
		if !ok {
			v, ok = p.Default, p.HasDefault
		}
		if !ok {
			problems = append(problems, fmt.Errorf("parameter %s has no value", p.Name))
			continue
		}
		if err := p.Check(v); err != nil {
			problems = append(problems, err)
		}
		values[p.Name] = v
	}
	for name := range given {
		if _, ok := values[name]; !ok && !slices.ContainsFunc(t.Parameters, func(p Parameter) bool { return p.Name == name }) {
			problems = append(problems, fmt.Errorf("there is no parameter %s", name))
		}
	}
	return values, errors.Join(problems...)
}
