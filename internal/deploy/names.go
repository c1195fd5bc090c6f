// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// limits are the longest names that AWS takes, by the property that names a resource.
func limits() map[string]int {
	return map[string]int{"BucketName": 63, "FunctionName": 64, "RoleName": 64, "TableName": 255, "RoleAlias": 128, "PolicyName": 128, "LogGroupName": 512}
}

// checkNames works out how long the names of the resources will be, as far as they are made of parameters and pseudo
// parameters, and reports those that AWS would refuse in the middle of a deployment.
func (d *Deployer) checkNames(t *Template, values map[string]string, account string) error {
	var errs []error
	for id, resource := range pairs(t.resources) {
		for key, properties := range pairs(resource) {
			if key != "Properties" {
				continue
			}
			for name, node := range pairs(properties) {
				limit, ok := limits()[name]
				if !ok {
					continue
				}
				text, ok := d.resolve(node, values, account)
				if ok && len(text) > limit {
					errs = append(errs, settings("shorten the parameter it begins with, or the stack's name (--stack)",
						"the name of %s would have %d characters, and AWS takes %d: %s", id, len(text), limit, text))
				}
			}
		}
	}
	return join(errs)
}

// someID stands for the identifier of a stack that does not exist yet: names take its first 8 hex digits.
const someID = "00000000-0000-0000-0000-000000000000"

// resolve works out a string of the template. ok is false when it depends on something that is not known before the
// resources exist.
func (d *Deployer) resolve(n *yaml.Node, values map[string]string, account string) (text string, ok bool) {
	pseudo := func(name string) (string, bool) {
		switch name {
		case "AWS::AccountId":
			return account, true
		case "AWS::Region":
			return d.cfg.Region, true
		case "AWS::StackName":
			return d.cfg.Stack, true
		case "AWS::Partition":
			if d.china {
				return "aws-cn", true
			}
			return "aws", true
		case "AWS::StackId":
			return "arn:aws:cloudformation:" + d.cfg.Region + ":" + account + ":stack/" + d.cfg.Stack + "/" + someID, true
		}
		v, ok := values[name]
		return v, ok
	}
	function, arg := function(n)
	switch function {
	case "":
		return n.Value, n.Kind == yaml.ScalarNode
	case "Ref":
		return pseudo(arg.Value)
	case "Sub":
		vars := map[string]*yaml.Node{}
		if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
			for k, v := range pairs(arg.Content[1]) {
				vars[k] = v
			}
			arg = arg.Content[0]
		}
		ok = arg.Kind == yaml.ScalarNode
		text = regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllStringFunc(arg.Value, func(s string) string {
			name := s[2 : len(s)-1]
			if literal, is := strings.CutPrefix(name, "!"); is {
				return "${" + literal + "}"
			}
			v, known := "", false
			if n := vars[name]; n != nil {
				v, known = d.resolve(n, values, account)
			} else {
				v, known = pseudo(name)
			}
			ok = ok && known
			return v
		})
		return text, ok
	case "Join":
		parts, ok := d.list(arg, values, account, 1)
		if !ok {
			return "", false
		}
		return strings.Join(parts, arg.Content[0].Value), true
	case "Select":
		parts, ok := d.list(arg, values, account, 1)
		if !ok || len(arg.Content[0].Value) != 1 {
			return "", false
		}
		if i := int(arg.Content[0].Value[0] - '0'); i >= 0 && i < len(parts) {
			return parts[i], true
		}
	}
	return "", false
}

// list resolves the list that is the i-th argument of a function.
func (d *Deployer) list(arg *yaml.Node, values map[string]string, account string, i int) ([]string, bool) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
		return nil, false
	}
	of := arg.Content[i]
	if name, inner := function(of); name == "Split" && inner.Kind == yaml.SequenceNode && len(inner.Content) == 2 {
		text, ok := d.resolve(inner.Content[1], values, account)
		return strings.Split(text, inner.Content[0].Value), ok
	}
	if of.Kind != yaml.SequenceNode {
		return nil, false
	}
	var parts []string
	for _, c := range of.Content {
		text, ok := d.resolve(c, values, account)
		if !ok {
			return nil, false
		}
		parts = append(parts, text)
	}
	return parts, true
}

// function takes a call in either form apart: !Sub x, or {Fn::Sub: x}. The name is "" for a plain value.
func function(n *yaml.Node) (name string, arg *yaml.Node) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return n.Tag[1:], n
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		key := n.Content[0].Value
		if short, ok := strings.CutPrefix(key, "Fn::"); ok || key == "Ref" {
			return short, n.Content[1]
		}
		return "?", n
	}
	return "", n
}
