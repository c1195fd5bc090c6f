// SPDX-License-Identifier: Apache-2.0

package cfntest_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/test/aws/cfntest"
)

const small = `
AWSTemplateFormatVersion: '2010-09-09'
Parameters:
  Name: {Type: String, Default: vid, AllowedPattern: '[a-z]+', ConstraintDescription: Small letters.}
  Days: {Type: Number, Default: 0, MinValue: 0, MaxValue: 10}
  Kind: {Type: String, Default: a, AllowedValues: [a, b]}
  List: {Type: CommaDelimitedList, Default: 'x, y'}
Rules:
  Pair:
    RuleCondition: !Equals [!Ref Kind, b]
    Assertions:
      - Assert: !Not [!Equals [!Ref Days, '0']]
        AssertDescription: Kind b needs Days.
Conditions:
  HasDays: !Not [!Equals [!Ref Days, 0]]
  Both: !And [!Condition HasDays, !Equals [!Ref Kind, b]]
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties:
      BucketName: !Sub '${Name}-${AWS::AccountId}-${!literal}'
      Tags: !Ref List
      Version: 2012-10-17
      Lifecycle:
        - Id: always
        - !If [HasDays, {Id: days, In: !Ref Days}, !Ref AWS::NoValue]
      Gone: !If [HasDays, here, !Ref AWS::NoValue]
  Policy:
    Type: AWS::S3::BucketPolicy
    Condition: HasDays
    DependsOn: Bucket
    Properties:
      Bucket: !Ref Bucket
      Arn: !GetAtt Bucket.Arn
      Sub: !Sub
        - '${Bucket.Arn}/${X}/*'
        - X: !Select [1, !Split ['-', 'a-b-c']]
      Joined: {'Fn::Join': [':', [a, !Ref Name, {'Fn::GetAtt': [Bucket, RegionalDomainName]}]]}
Outputs:
  Name: {Value: !Ref Bucket}
  Days: {Condition: Both, Value: !Ref Days}
`

func evaluate(t *testing.T, text string, s cfntest.Settings) (*cfntest.Stack, error) {
	t.Helper()
	tp, err := cfntest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return tp.Evaluate(s)
}

func TestEvaluateResolvesFunctions(t *testing.T) {
	s, err := evaluate(t, small, cfntest.Settings{Region: "cn-north-1", Parameters: map[string]string{"Days": "7", "Kind": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	wantBucket := map[string]any{
		"BucketName": "vid-123456789012-${literal}", "Tags": []any{"x", "y"}, "Version": "2012-10-17",
		"Lifecycle": []any{map[string]any{"Id": "always"}, map[string]any{"Id": "days", "In": "7"}}, "Gone": "here",
	}
	if got := s.Resources["Bucket"].Properties; !reflect.DeepEqual(got, wantBucket) {
		t.Errorf("Bucket\ngot  %v\nwant %v", got, wantBucket)
	}
	name := "vid-123456789012-${literal}"
	wantPolicy := map[string]any{"Bucket": name, "Arn": "arn:aws-cn:s3:::" + name, "Sub": "arn:aws-cn:s3:::" + name + "/b/*",
		"Joined": "a:vid:" + name + ".s3.cn-north-1.amazonaws.com.cn"}
	if got := s.Resources["Policy"].Properties; !reflect.DeepEqual(got, wantPolicy) {
		t.Errorf("Policy\ngot  %v\nwant %v", got, wantPolicy)
	}
	if want := map[string]string{"Name": name, "Days": "7"}; !reflect.DeepEqual(s.Outputs, want) {
		t.Errorf("outputs: got %v, want %v", s.Outputs, want)
	}
	if got, want := s.Resources["Policy"].Needs, []string{"Bucket"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Policy needs %q, want %q", got, want)
	}
}

func TestEvaluateLeavesOutWhatConditionsExclude(t *testing.T) {
	s, err := evaluate(t, small, cfntest.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Resources["Policy"] != nil {
		t.Error("Policy is there though HasDays does not hold")
	}
	b := s.Resources["Bucket"]
	if b.Get("Gone") != nil || len(b.Get("Lifecycle").([]any)) != 1 || b.DeletionPolicy != "Retain" {
		t.Errorf("got %+v", b)
	}
	if _, ok := s.Outputs["Days"]; ok {
		t.Error("output Days is there though Both does not hold")
	}
}

func TestAttributesOverrideWhatIsMadeUp(t *testing.T) {
	s, err := evaluate(t, small, cfntest.Settings{Parameters: map[string]string{"Days": "1"}, Attributes: map[string]string{"Bucket.Arn": "arn:x", "Bucket": "real"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Resources["Policy"]; got.Text("Arn") != "arn:x" || got.Text("Bucket") != "real" {
		t.Errorf("got %v", got.Properties)
	}
}

func TestEvaluateRefusesWhatCloudFormationRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		parameters map[string]string
		want       string
	}{
		"a value outside the pattern":        {map[string]string{"Name": "A"}, `parameter Name is "A", want [a-z]+: Small letters.`},
		"a pattern that fits only a part":    {map[string]string{"Name": "a1"}, "parameter Name"},
		"a number out of bounds":             {map[string]string{"Days": "11"}, "want 0 to 10"},
		"a number that is none":              {map[string]string{"Days": "x"}, "not a number"},
		"a value that is not offered":        {map[string]string{"Kind": "c"}, "want one of a, b"},
		"a parameter that there is not":      {map[string]string{"Other": "c"}, "there is no parameter Other"},
		"parameters that a rule forbids":     {map[string]string{"Kind": "b"}, "rule Pair: Kind b needs Days."},
		"everything wrong with them at once": {map[string]string{"Name": "A", "Days": "11"}, "parameter Days"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := evaluate(t, small, cfntest.Settings{Parameters: tt.parameters}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestWrongTemplatesAreRefused(t *testing.T) {
	const head = "Conditions:\n  Never: !Equals [a, b]\n  Loop: !Not [!Condition Loop2]\n  Loop2: !Not [!Condition Loop]\nResources:\n"
	resource := func(id, rest string) string { return "  " + id + ":\n    Type: T\n" + rest }
	for name, tt := range map[string]struct{ text, want string }{
		"Ref to nothing":                {resource("A", "    Properties: {P: !Ref Nope}\n"), `no parameter or resource "Nope"`},
		"GetAtt of nothing":             {resource("A", "    Properties: {P: !GetAtt Nope.Arn}\n"), `no resource "Nope"`},
		"Sub of nothing":                {resource("A", "    Properties: {P: !Sub 'x${Nope}'}\n"), `"Nope"`},
		"Sub of an attribute":           {resource("A", "    Properties: {P: !Sub 'x${Nope.Arn}'}\n"), `"Nope"`},
		"DependsOn nothing":             {resource("A", "    DependsOn: Nope\n"), `"Nope"`},
		"a condition that is not there": {resource("A", "    Condition: Nope\n"), `no condition "Nope"`},
		"If of such a condition":        {resource("A", "    Properties: {P: !If [Nope, a, b]}\n"), `no condition "Nope"`},
		"Ref in the branch not taken":   {resource("A", "    Properties: {P: !If [Never, !Ref Nope, b]}\n"), `"Nope"`},
		"Ref to a resource left out":    {resource("A", "    Properties: {P: !Ref B}\n") + resource("B", "    Condition: Never\n"), "resource B is not part of this stack"},
		"GetAtt of a resource left out": {resource("A", "    Properties: {P: !GetAtt B.Arn}\n") + resource("B", "    Condition: Never\n"), "resource B is not part of this stack"},
		"resources in a circle":         {resource("A", "    Properties: {P: !Ref B}\n") + resource("B", "    DependsOn: A\n"), "need each other: A -> B -> A"},
		"an unknown tag":                {resource("A", "    Properties: {P: !Cidr [a]}\n"), "unknown function !Cidr"},
		"an unknown function":           {resource("A", "    Properties: {P: {'Fn::Base64': a}}\n"), "unknown function"},
		"a key twice":                   {resource("A", "    Properties: {P: a, P: b}\n"), "P"},
		"null":                          {resource("A", "    Properties: {P: }\n"), "null"},
		"Select beyond the list":        {resource("A", "    Properties: {P: !Select [3, [a]]}\n"), "no item 3"},
		"conditions in a circle":        {resource("A", ""), "depends on itself"},
	} {
		t.Run(name, func(t *testing.T) {
			text := head + tt.text
			if name != "conditions in a circle" {
				text = strings.Replace(text, "  Loop: !Not [!Condition Loop2]\n  Loop2: !Not [!Condition Loop]\n", "", 1)
			}
			tp, err := cfntest.Parse([]byte(text))
			if err == nil {
				_, err = tp.Evaluate(cfntest.Settings{})
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(`{"Resources": {"A": {"Type": "T", "Properties": {"P": {"Ref": "AWS::StackId"}}}}}`))
	f.Add([]byte("Resources: &a\n  A: {Type: T, Properties: {Fn::Sub: [x]}}\nOutputs: *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tp, err := cfntest.Parse(text)
		if err != nil {
			return
		}
		s, err := tp.Evaluate(cfntest.Settings{})
		if (s == nil) == (err == nil) {
			t.Errorf("stack %v with error %v", s, err)
		}
	})
}
