// SPDX-License-Identifier: Apache-2.0

package mototest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/s3cam/s3cam/test/aws/mototest"
)

// code is the error code that a service answered, or its status, empty for success.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	var res interface{ HTTPStatusCode() int }
	if errors.As(err, &res) { // moto 5.2 describes refusals of DynamoDB in XML, which is not DynamoDB's form
		return fmt.Sprintf("HTTP %d", res.HTTPStatusCode())
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestPoliciesAndSignaturesAreEnforced(t *testing.T) {
	moto := mototest.Start(t)
	moto.CreateBucket(t, "enforced")
	moto.CreateTable(t, "Enforced")
	moto.CreateRole(t, "reader", []byte(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::enforced","Condition":{"StringLike":{"s3:prefix":"*/20??/??/??/*"}}},
		{"Effect":"Allow","Action":["dynamodb:GetItem"],"Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/Enforced"},
		{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`))
	creds := moto.AssumeRole(t, "reader", "test")
	wrong := creds
	wrong.SecretAccessKey += "x"
	stranger := aws.Credentials{AccessKeyID: "AKIASTRANGER", SecretAccessKey: "x"}

	list := func(c aws.Credentials) error {
		client := s3.NewFromConfig(moto.Config(c), func(o *s3.Options) { o.UsePathStyle = true })
		_, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("enforced")})
		return err
	}
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "cam1"}}
	get := func(c aws.Credentials) error {
		_, err := dynamodb.NewFromConfig(moto.Config(c)).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("Enforced"), Key: key})
		return err
	}
	put := func(c aws.Credentials) error {
		_, err := dynamodb.NewFromConfig(moto.Config(c)).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Enforced"), Item: key})
		return err
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"the role lists", list(creds), ""},
		{"the role reads the table", get(creds), ""},
		{"the role does not write the table", put(creds), "HTTP 403"},
		{"the administrator does", put(moto.Admin), ""},
		{"a wrong secret is refused by S3", list(wrong), "SignatureDoesNotMatch"},
		{"a wrong secret is refused by DynamoDB", get(wrong), "HTTP 403"},
		{"a stranger is refused by S3", list(stranger), "InvalidAccessKeyId"},
		{"a stranger is refused by DynamoDB", get(stranger), "HTTP 403"},
	}
	for _, tt := range tests {
		if got := code(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAdaptPolicy(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"conditions go, S3 resources stay",
			`{"Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","Condition":{"StringLike":{"s3:prefix":"x"}}}}`,
			`{"Statement":[{"Action":"s3:ListBucket","Effect":"Allow","Resource":"arn:aws:s3:::b"}],"Version":"2012-10-17"}`},
		{"other resources become all",
			`{"Statement":[{"Effect":"Allow","Action":["dynamodb:GetItem"],"Resource":"arn:aws:dynamodb:::table/x"}]}`,
			`{"Statement":[{"Action":["dynamodb:GetItem"],"Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}`},
		{"a conditional refusal is left out",
			`{"Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{}}]}`,
			`{"Statement":[],"Version":"2012-10-17"}`},
	}
	for _, tt := range tests {
		if got, err := mototest.AdaptPolicy([]byte(tt.in)); err != nil || string(got) != tt.want {
			t.Errorf("%s: %s (%v)\nwant %s", tt.name, got, err, tt.want)
		}
	}
	if _, err := mototest.AdaptPolicy([]byte(`{"Statement":"x"}`)); err == nil {
		t.Error("a policy without statements was taken")
	}
}
