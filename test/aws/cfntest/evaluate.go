// SPDX-License-Identifier: Apache-2.0

package cfntest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Settings says which stack to work out. Empty fields have the defaults named.
type Settings struct {
	Region     string // "us-east-1"; it decides the partition and the domain suffix
	AccountID  string // "123456789012"
	StackName  string // "s3cam"
	StackUUID  string // "0a1b2c3d-0000-4000-8000-000000000000", the last part of the stack's id
	Parameters map[string]string
	// Attributes overrides what references give: "HttpApi" is its Ref, "HttpApi.ApiEndpoint" an attribute.
	Attributes map[string]string
}

// Stack is what a template would create.
type Stack struct {
	Region, Partition, URLSuffix, AccountID, StackName, StackID string

	Parameters map[string]string
	Conditions map[string]bool
	Resources  map[string]*Resource // those whose conditions hold, by logical id
	Outputs    map[string]string
}

// Resource is one resource of a stack. Its maps must not be changed.
type Resource struct {
	ID, Type                            string
	Properties                          map[string]any
	DeletionPolicy, UpdateReplacePolicy string
	Needs                               []string // logical ids of what it refers to or depends on, sorted
}

// Evaluate works out the stack. Every problem with the parameters is reported at once; the Rules come after them, then
// everything else.
func (t *Template) Evaluate(s Settings) (*Stack, error) {
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	def(&s.Region, "us-east-1")
	def(&s.AccountID, "123456789012")
	def(&s.StackName, "s3cam")
	def(&s.StackUUID, "0a1b2c3d-0000-4000-8000-000000000000")
	st := &Stack{Region: s.Region, Partition: "aws", URLSuffix: "amazonaws.com", AccountID: s.AccountID, StackName: s.StackName,
		Conditions: map[string]bool{}, Resources: map[string]*Resource{}, Outputs: map[string]string{}}
	switch {
	case strings.HasPrefix(s.Region, "cn-"):
		st.Partition, st.URLSuffix = "aws-cn", "amazonaws.com.cn"
	case strings.HasPrefix(s.Region, "us-gov-"):
		st.Partition = "aws-us-gov"
	}
	st.StackID = "arn:" + st.Partition + ":cloudformation:" + s.Region + ":" + s.AccountID + ":stack/" + s.StackName + "/" + s.StackUUID
	var err error
	if st.Parameters, err = t.parameters(s.Parameters); err != nil {
		return nil, err
	}
	e := &evaluator{t: t, s: st, attributes: s.Attributes}
	if err := e.rules(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(t.conditions)) {
		if _, err := e.named(name); err != nil {
			return nil, fmt.Errorf("condition %s: %w", name, err)
		}
	}
	for _, id := range t.order {
		if on, err := e.active(id); err != nil {
			return nil, err
		} else if !on {
			continue
		}
		r, err := e.resource(id)
		if err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
		st.Resources[id] = r
	}
	if err := st.circles(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(t.outputs)) {
		if err := e.output(name); err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
	}
	return st, nil
}

type evaluator struct {
	t          *Template
	s          *Stack
	attributes map[string]string
	naming     []string // resources whose names are being worked out, against circles
	needs      map[string]bool
	deciding   []string // conditions under way, against circles
}

func (e *evaluator) resource(id string) (*Resource, error) {
	raw := e.t.Raw(id)
	r := &Resource{ID: id, Type: e.t.Type(id), Properties: map[string]any{}}
	for key, v := range raw {
		switch key {
		case "Type", "Properties", "Condition", "DependsOn", "Metadata":
		case "DeletionPolicy":
			r.DeletionPolicy, _ = v.(string)
		case "UpdateReplacePolicy":
			r.UpdateReplacePolicy, _ = v.(string)
		default:
			return nil, fmt.Errorf("unknown entry %s", key)
		}
	}
	e.needs = map[string]bool{}
	if p, ok := raw["Properties"]; ok {
		v, err := e.resolve(p)
		if err != nil {
			return nil, err
		}
		if r.Properties, ok = v.(map[string]any); !ok {
			return nil, errors.New("the Properties are not a mapping")
		}
	}
	for _, d := range dependsOn(raw) {
		if on, err := e.active(d); err != nil {
			return nil, err
		} else if on {
			e.needs[d] = true
		}
	}
	r.Needs = slices.Sorted(maps.Keys(e.needs))
	return r, nil
}

func (e *evaluator) output(name string) error {
	m, ok := e.t.outputs[name].(map[string]any)
	if !ok {
		return errors.New("not a mapping")
	}
	if c, ok := m["Condition"].(string); ok {
		if on, err := e.named(c); err != nil || !on {
			return err
		}
	}
	v, err := e.text(m["Value"])
	if err != nil {
		return err
	}
	e.s.Outputs[name] = v
	return nil
}

// active tells whether the resource is part of the stack.
func (e *evaluator) active(id string) (bool, error) {
	c, ok := e.t.Raw(id)["Condition"].(string)
	if !ok {
		return true, nil
	}
	return e.named(c)
}

// named is the value of the condition with this name.
func (e *evaluator) named(name string) (bool, error) {
	if v, ok := e.s.Conditions[name]; ok {
		return v, nil
	}
	c, ok := e.t.conditions[name]
	if !ok {
		return false, fmt.Errorf("there is no condition %q", name)
	}
	if slices.Contains(e.deciding, name) {
		return false, fmt.Errorf("condition %s depends on itself", name)
	}
	e.deciding = append(e.deciding, name)
	defer func() { e.deciding = e.deciding[:len(e.deciding)-1] }()
	v, err := e.truth(c)
	if err == nil {
		e.s.Conditions[name] = v
	}
	return v, err
}

// rules applies the Rules of the template.
func (e *evaluator) rules() error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(e.t.rules)) {
		rule, _ := e.t.rules[name].(map[string]any)
		if c, ok := rule["RuleCondition"]; ok {
			if on, err := e.truth(c); err != nil {
				return fmt.Errorf("rule %s: %w", name, err)
			} else if !on {
				continue
			}
		}
		list, ok := rule["Assertions"].([]any)
		if !ok {
			return fmt.Errorf("rule %s has no assertions", name)
		}
		for _, a := range list {
			m, _ := a.(map[string]any)
			if ok, err := e.truth(m["Assert"]); err != nil {
				return fmt.Errorf("rule %s: %w", name, err)
			} else if !ok {
				problems = append(problems, fmt.Errorf("rule %s: %v", name, m["AssertDescription"]))
			}
		}
	}
	return errors.Join(problems...)
}

// circles finds resources that need each other.
func (s *Stack) circles() error {
	const under, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(id string) error
	visit = func(id string) error {
		switch state[id] {
		case done:
			return nil
		case under:
			return fmt.Errorf("resources need each other: %s -> %s", strings.Join(path[slices.Index(path, id):], " -> "), id)
		}
		state[id] = under
		path = append(path, id)
		for _, need := range s.Resources[id].Needs {
			if s.Resources[need] == nil {
				continue
			}
			if err := visit(need); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		state[id] = done
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(s.Resources)) {
		if err := visit(id); err != nil {
			return err
		}
	}
	return nil
}
