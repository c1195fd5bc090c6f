// SPDX-License-Identifier: Apache-2.0

// Package cfntest works out what a CloudFormation template would create, and what IAM policies would allow, without AWS.
// For tests only.
//
// [Parse] reads a template in YAML (short tags, aliases) or JSON. [Template.Evaluate] takes a region, a stack's name and
// parameters, checks them as CloudFormation does (types, patterns, bounds, Rules) and gives a [Stack]: the resources whose
// conditions hold, their properties with every function resolved, and the outputs. References to things that do not exist
// in that stack, and circles, are errors. [Stack.Policy] reads a role's policies and [Policy.Decide] applies them to a request.
//
// Every scalar of a resolved property is a string ("true", "25000"); lists are []any and mappings map[string]any. Names and
// ARNs that AWS would make up look real where their form is known (see names.go) and else like <LogicalId.Attribute>;
// Settings.Attributes overrides them.
//
// It knows the functions and conditions that this repository's template uses and refuses others. Bounds: templates of 1 MiB.
// Values are safe for concurrent use once made; nothing is changed after that.
package cfntest
