// SPDX-License-Identifier: Apache-2.0

package cfntest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Policy is a list of statements of IAM, of a role or of a bucket.
type Policy []Statement

// Statement is one statement. A list that is nil does not stand in it.
type Statement struct {
	Sid       string
	Allow     bool
	Principal []string // "Service:lambda.amazonaws.com"; "*" for everybody; nil in the policies of roles
	Actions   []string
	Resources []string // nil in trust policies
	Condition []Condition
}

// Condition is one line of a statement's condition: all lines must hold, each for one of its values.
type Condition struct {
	Operator string // as StringLike
	Key      string // as s3:prefix
	Values   []string
}

// Request is what somebody wants to do. Context holds the condition keys that AWS would know for it (s3:prefix,
// aws:SecureTransport, credentials-iot:ThingName...), under the same spelling as in the policies apart from case. A key with
// an empty value is present; S3 leaves s3:prefix out when a listing has none.
type Request struct {
	Action, Resource string
	Context          map[string]string
}

// Decision is the outcome for one request. Without an explicit Allow the request is refused.
type Decision int

const (
	ImplicitDeny Decision = iota // no statement is about it
	Allow
	ExplicitDeny // a Deny wins over every Allow
)

func (d Decision) String() string {
	switch d {
	case Allow:
		return "allowed"
	case ExplicitDeny:
		return "denied"
	}
	return "not allowed"
}

// Policy joins the inline policies of a role, or reads the policy of an IoT policy or bucket policy, by logical id.
func (s *Stack) Policy(id string) (Policy, error) {
	r := s.Resources[id]
	if r == nil {
		return nil, fmt.Errorf("there is no resource %s", id)
	}
	if r.Type != "AWS::IAM::Role" {
		return ReadPolicy(r.Get("PolicyDocument"))
	}
	if r.Get("ManagedPolicyArns") != nil {
		return nil, fmt.Errorf("%s has managed policies, which are not known here", id)
	}
	list, _ := r.Get("Policies").([]any)
	var all Policy
	for _, item := range list {
		m, _ := item.(map[string]any)
		p, err := ReadPolicy(m["PolicyDocument"])
		if err != nil {
			return nil, fmt.Errorf("%s, policy %v: %w", id, m["PolicyName"], err)
		}
		all = append(all, p...)
	}
	return all, nil
}

// Trust reads who may assume a role, by its logical id.
func (s *Stack) Trust(id string) (Policy, error) {
	return ReadPolicy(s.Resources[id].Get("AssumeRolePolicyDocument"))
}

// ReadPolicy reads a policy document from resolved properties. What it cannot judge is an error: NotAction, NotResource,
// NotPrincipal and unknown operators.
func ReadPolicy(document any) (Policy, error) {
	m, ok := document.(map[string]any)
	if !ok {
		return nil, errors.New("there is no policy document")
	}
	if m["Version"] != "2012-10-17" {
		return nil, fmt.Errorf("version of the policy language is %v; variables need 2012-10-17", m["Version"])
	}
	list, ok := m["Statement"].([]any)
	if !ok || len(list) == 0 {
		return nil, errors.New("the policy has no list of statements")
	}
	var p Policy
	for i, item := range list {
		s, err := readStatement(item)
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i, err)
		}
		p = append(p, s)
	}
	return p, nil
}

func readStatement(v any) (s Statement, err error) {
	m, ok := v.(map[string]any)
	if !ok {
		return s, errors.New("not a mapping")
	}
	for key, v := range m {
		switch key {
		case "Sid":
			s.Sid, _ = v.(string)
		case "Effect":
			if s.Allow = v == "Allow"; !s.Allow && v != "Deny" {
				return s, fmt.Errorf("effect %v", v)
			}
		case "Action":
			s.Actions, err = oneOrMore(v)
		case "Resource":
			s.Resources, err = oneOrMore(v)
		case "Principal":
			s.Principal, err = principals(v)
		case "Condition":
			s.Condition, err = readCondition(v)
		default:
			err = fmt.Errorf("%s is not known here", key)
		}
		if err != nil {
			return s, err
		}
	}
	if m["Effect"] == nil || len(s.Actions) == 0 {
		return s, errors.New("effect or action is missing")
	}
	return s, nil
}

func oneOrMore(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case []any:
		out := make([]string, len(v))
		for i, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("not a string: %v", item)
			}
			out[i] = s
		}
		return out, nil
	}
	return nil, fmt.Errorf("not a string or list: %v", v)
}

func principals(v any) (all []string, err error) {
	m, ok := v.(map[string]any)
	if !ok {
		return oneOrMore(v)
	}
	for kind, names := range m {
		list, err := oneOrMore(names)
		if err != nil {
			return nil, err
		}
		for _, name := range list {
			all = append(all, kind+":"+name)
		}
	}
	slices.Sort(all)
	return all, nil
}

func readCondition(v any) (all []Condition, err error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("condition is not a mapping")
	}
	for operator, keys := range m {
		if !knownOperator(operator) {
			return nil, fmt.Errorf("operator %s is not known here", operator)
		}
		byKey, ok := keys.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s is not a mapping", operator)
		}
		for key, values := range byKey {
			c := Condition{Operator: operator, Key: key}
			if c.Values, err = oneOrMore(values); err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Condition) int { return strings.Compare(a.Operator+a.Key, b.Operator+b.Key) })
	return all, nil
}

func knownOperator(operator string) bool {
	switch strings.TrimSuffix(operator, "IfExists") {
	case "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "ArnLike", "ArnEquals", "Bool":
		return true
	}
	return false
}

// Decide applies the policy, whoever asks: Principal is not looked at.
func (p Policy) Decide(r Request) Decision {
	d := ImplicitDeny
	for i := range p {
		switch s := &p[i]; {
		case !s.applies(r):
		case !s.Allow:
			return ExplicitDeny
		default:
			d = Allow
		}
	}
	return d
}

func (s *Statement) applies(r Request) bool {
	action := slices.ContainsFunc(s.Actions, func(a string) bool { return match(pattern(strings.ToLower(a)), strings.ToLower(r.Action)) })
	resource := slices.ContainsFunc(s.Resources, func(p string) bool {
		parts, ok := expand(p, r.Context)
		return ok && matchARN(parts, r.Resource)
	})
	return action && resource && !slices.ContainsFunc(s.Condition, func(c Condition) bool { return !c.holds(r.Context) })
}

// holds evaluates one line. A key that the request does not have fails it, except for the negated operators and ...IfExists.
func (c *Condition) holds(context map[string]string) bool {
	operator, ifExists := strings.CutSuffix(c.Operator, "IfExists")
	not := strings.HasPrefix(operator, "StringNot")
	value, present := lookup(context, c.Key)
	if !present {
		return ifExists || not
	}
	return not != slices.ContainsFunc(c.Values, func(v string) bool {
		parts, ok := expand(v, context)
		if !ok {
			return false
		}
		switch operator {
		case "Bool":
			return strings.EqualFold(v, value)
		case "StringEquals", "StringNotEquals":
			return parts.literal() == value
		case "ArnLike", "ArnEquals":
			return matchARN(parts, value)
		}
		return match(parts, value)
	})
}

// lookup finds a condition key, whose case does not matter.
func lookup(context map[string]string, key string) (string, bool) {
	if v, ok := context[key]; ok {
		return v, true
	}
	for k, v := range context {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
}
