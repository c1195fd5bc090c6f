// SPDX-License-Identifier: Apache-2.0

package cfntest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// noValue is what Ref AWS::NoValue gives: the property or list item disappears.
type noValue struct{}

// resolve works out a value.
func (e *evaluator) resolve(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case []any:
		list := make([]any, 0, len(v))
		for _, item := range v {
			r, err := e.resolve(item)
			if err != nil {
				return nil, err
			}
			if r != (noValue{}) {
				list = append(list, r)
			}
		}
		return list, nil
	case map[string]any:
		if name, argument, ok := function(v); ok {
			r, err := e.call(name, argument)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return r, nil
		}
		m := make(map[string]any, len(v))
		for key, item := range v {
			if strings.HasPrefix(key, "Fn::") {
				return nil, fmt.Errorf("%s stands beside other entries", key)
			}
			r, err := e.resolve(item)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			if r != (noValue{}) {
				m[key] = r
			}
		}
		return m, nil
	}
	return nil, fmt.Errorf("not a value: %v", v)
}

// text is resolve for a string.
func (e *evaluator) text(v any) (string, error) {
	r, err := e.resolve(v)
	if err != nil {
		return "", err
	}
	s, ok := r.(string)
	if !ok {
		return "", fmt.Errorf("want a string, have %v", r)
	}
	return s, nil
}

// texts is resolve for a list of strings.
func (e *evaluator) texts(v any) ([]string, error) {
	r, err := e.resolve(v)
	if err != nil {
		return nil, err
	}
	list, ok := r.([]any)
	if !ok {
		return nil, fmt.Errorf("want a list, have %v", r)
	}
	out := make([]string, len(list))
	for i, item := range list {
		if out[i], ok = item.(string); !ok {
			return nil, fmt.Errorf("want a list of strings, have %v", r)
		}
	}
	return out, nil
}

func (e *evaluator) call(name string, argument any) (any, error) {
	list, _ := argument.([]any)
	need := func(n int) error {
		if len(list) != n {
			return fmt.Errorf("takes %d values, has %v", n, argument)
		}
		return nil
	}
	switch name {
	case "Ref":
		s, ok := argument.(string)
		if !ok {
			return nil, errors.New("takes a name")
		}
		return e.ref(s)
	case "Fn::GetAtt":
		if err := need(2); err != nil {
			return nil, err
		}
		id, _ := list[0].(string)
		attribute, err := e.text(list[1])
		if err != nil {
			return nil, err
		}
		return e.attribute(id, attribute)
	case "Fn::Sub":
		return e.sub(argument)
	case "Fn::If":
		if err := need(3); err != nil {
			return nil, err
		}
		condition, _ := list[0].(string)
		on, err := e.named(condition)
		if err != nil {
			return nil, err
		}
		if on {
			return e.resolve(list[1])
		}
		return e.resolve(list[2])
	case "Fn::Join":
		if err := need(2); err != nil {
			return nil, err
		}
		between, err := e.text(list[0])
		if err != nil {
			return nil, err
		}
		parts, err := e.texts(list[1])
		return strings.Join(parts, between), err
	case "Fn::Split":
		if err := need(2); err != nil {
			return nil, err
		}
		at, err := e.text(list[0])
		if err != nil {
			return nil, err
		}
		s, err := e.text(list[1])
		if err != nil || at == "" {
			return nil, errors.Join(err, errors.New("takes a delimiter and a string"))
		}
		var parts []any
		for p := range strings.SplitSeq(s, at) {
			parts = append(parts, p)
		}
		return parts, nil
	case "Fn::Select":
		if err := need(2); err != nil {
			return nil, err
		}
		s, err := e.text(list[0])
		if err != nil {
			return nil, err
		}
		parts, err := e.texts(list[1])
		if err != nil {
			return nil, err
		}
		i, err := strconv.Atoi(s)
		if err != nil || i < 0 || i >= len(parts) {
			return nil, fmt.Errorf("there is no item %s in %q", s, parts)
		}
		return parts[i], nil
	}
	return nil, errors.New("unknown function, or not for this place")
}

// truth works out a condition.
func (e *evaluator) truth(v any) (bool, error) {
	name, argument, ok := function(v)
	if !ok {
		return false, fmt.Errorf("not a condition: %v", v)
	}
	list, _ := argument.([]any)
	switch name {
	case "Condition":
		return e.named(argument.(string))
	case "Fn::Equals":
		if len(list) != 2 {
			return false, errors.New("Fn::Equals takes two values")
		}
		a, err := e.text(list[0])
		if err != nil {
			return false, err
		}
		b, err := e.text(list[1])
		return a == b, err
	case "Fn::Contains":
		if len(list) != 2 {
			return false, errors.New("Fn::Contains takes a list and a value")
		}
		all, err := e.texts(list[0])
		if err != nil {
			return false, err
		}
		s, err := e.text(list[1])
		return slices.Contains(all, s), err
	case "Fn::Not":
		if len(list) != 1 {
			return false, errors.New("Fn::Not takes one condition")
		}
		b, err := e.truth(list[0])
		return !b, err
	case "Fn::And", "Fn::Or":
		if len(list) < 2 || len(list) > 10 {
			return false, fmt.Errorf("%s takes 2 to 10 conditions", name)
		}
		result := name == "Fn::And"
		for _, c := range list {
			b, err := e.truth(c)
			if err != nil {
				return false, err
			}
			if b != (name == "Fn::And") {
				result = b
			}
		}
		return result, nil
	}
	return false, fmt.Errorf("%s is not a condition", name)
}

// subArguments are the text of Fn::Sub and its own variables.
func subArguments(argument any) (text string, vars map[string]any) {
	if list, ok := argument.([]any); ok && len(list) == 2 {
		text, _ = list[0].(string)
		vars, _ = list[1].(map[string]any)
		return text, vars
	}
	text, _ = argument.(string)
	return text, nil
}

// subPart is a stretch of the text of Fn::Sub, or the name of a variable.
type subPart struct{ text, name string }

func subParts(text string) (parts []subPart) {
	for {
		before, rest, ok := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			return append(parts, subPart{text: text})
		}
		parts = append(parts, subPart{text: before})
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			parts = append(parts, subPart{text: "${" + literal + "}"})
		} else {
			parts = append(parts, subPart{name: name})
		}
		text = after
	}
}

func (e *evaluator) sub(argument any) (any, error) {
	text, vars := subArguments(argument)
	if text == "" {
		return nil, fmt.Errorf("takes a text, or a text and variables, has %v", argument)
	}
	var b strings.Builder
	for _, part := range subParts(text) {
		if part.name == "" {
			b.WriteString(part.text)
			continue
		}
		var v any
		var err error
		if local, ok := vars[part.name]; ok {
			v, err = e.resolve(local)
		} else if id, attribute, dotted := strings.Cut(part.name, "."); dotted {
			v, err = e.attribute(id, attribute)
		} else {
			v, err = e.ref(part.name)
		}
		if err != nil {
			return nil, fmt.Errorf("${%s}: %w", part.name, err)
		}
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("${%s} is not a string: %v", part.name, v)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}
