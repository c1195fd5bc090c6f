// SPDX-License-Identifier: Apache-2.0

package cfntest

import (
	"fmt"
	"slices"
	"strings"
)

// nameProperty tells which property is what Ref gives for a type of resource: its physical name.
func nameProperty(kind string) string {
	switch kind {
	case "AWS::S3::Bucket":
		return "BucketName"
	case "AWS::DynamoDB::Table":
		return "TableName"
	case "AWS::Lambda::Function":
		return "FunctionName"
	case "AWS::IAM::Role":
		return "RoleName"
	case "AWS::Logs::LogGroup":
		return "LogGroupName"
	case "AWS::IoT::RoleAlias":
		return "RoleAlias"
	case "AWS::IoT::Policy":
		return "PolicyName"
	case "AWS::ApiGatewayV2::DomainName":
		return "DomainName"
	case "AWS::ApiGatewayV2::Stage":
		return "StageName"
	}
	return ""
}

// ref is Ref: a parameter, pseudo parameter or resource.
func (e *evaluator) ref(name string) (any, error) {
	switch name {
	case "AWS::NoValue":
		return noValue{}, nil
	case "AWS::Region":
		return e.s.Region, nil
	case "AWS::Partition":
		return e.s.Partition, nil
	case "AWS::URLSuffix":
		return e.s.URLSuffix, nil
	case "AWS::AccountId":
		return e.s.AccountID, nil
	case "AWS::StackName":
		return e.s.StackName, nil
	case "AWS::StackId":
		return e.s.StackID, nil
	}
	if v, ok := e.s.Parameters[name]; ok {
		for i := range e.t.Parameters {
			if p := &e.t.Parameters[i]; p.Name == name && p.Type == "CommaDelimitedList" {
				var list []any
				for s := range strings.SplitSeq(v, ",") {
					list = append(list, strings.TrimSpace(s))
				}
				return list, nil
			}
		}
		return v, nil
	}
	if err := e.use(name); err != nil {
		return nil, err
	}
	return e.name(name)
}

// use notes that the resource being worked out needs another, which must be part of the stack.
func (e *evaluator) use(id string) error {
	if e.t.Raw(id) == nil {
		return fmt.Errorf("there is no parameter or resource %q", id)
	}
	on, err := e.active(id)
	if err != nil {
		return err
	}
	if !on {
		return fmt.Errorf("resource %s is not part of this stack: its condition %v does not hold", id, e.t.Raw(id)["Condition"])
	}
	if e.needs != nil && len(e.naming) == 0 {
		e.needs[id] = true
	}
	return nil
}

// name is the physical name of a resource.
func (e *evaluator) name(id string) (string, error) {
	if v, ok := e.attributes[id]; ok {
		return v, nil
	}
	properties, _ := e.t.Raw(id)["Properties"].(map[string]any)
	v, ok := properties[nameProperty(e.t.Type(id))]
	if !ok {
		return "<" + id + ">", nil
	}
	if slices.Contains(e.naming, id) {
		return "", fmt.Errorf("the name of %s depends on itself", id)
	}
	e.naming = append(e.naming, id)
	defer func() { e.naming = e.naming[:len(e.naming)-1] }()
	return e.text(v)
}

// attribute is Fn::GetAtt.
func (e *evaluator) attribute(id, attribute string) (string, error) {
	if err := e.use(id); err != nil {
		return "", err
	}
	if v, ok := e.attributes[id+"."+attribute]; ok {
		return v, nil
	}
	name, err := e.name(id)
	if err != nil {
		return "", err
	}
	arn := func(service, region, account, resource string) string {
		return "arn:" + e.s.Partition + ":" + service + ":" + region + ":" + account + ":" + resource
	}
	region, account := e.s.Region, e.s.AccountID
	switch e.t.Type(id) + "." + attribute {
	case "AWS::S3::Bucket.Arn":
		return arn("s3", "", "", name), nil
	case "AWS::S3::Bucket.RegionalDomainName":
		return name + ".s3." + region + "." + e.s.URLSuffix, nil
	case "AWS::DynamoDB::Table.Arn":
		return arn("dynamodb", region, account, "table/"+name), nil
	case "AWS::Lambda::Function.Arn":
		return arn("lambda", region, account, "function:"+name), nil
	case "AWS::IAM::Role.Arn":
		return arn("iam", "", account, "role/"+name), nil
	case "AWS::Logs::LogGroup.Arn":
		return arn("logs", region, account, "log-group:"+name+":*"), nil
	case "AWS::IoT::RoleAlias.RoleAliasArn":
		return arn("iot", region, account, "rolealias/"+name), nil
	case "AWS::ApiGatewayV2::Api.ApiEndpoint":
		return "https://" + name + ".execute-api." + region + "." + e.s.URLSuffix, nil
	}
	return "<" + id + "." + attribute + ">", nil
}
