// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	template "github.com/s3cam/s3cam/deploy/cloudformation"
	"github.com/s3cam/s3cam/internal/deploy"
	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/provision"
)

// awsFlags choose the account and the region of the commands that work on a stack. Credentials come from where AWS tools take
// them.
type awsFlags struct {
	Region string `placeholder:"NAME" help:"AWS region. Without it: AWS_REGION, then the profile's."`
}

// load reads the AWS configuration and makes sure that there are credentials.
func (f awsFlags) load(ctx context.Context) (aws.Config, error) {
	var options []func(*config.LoadOptions) error
	if f.Region != "" {
		options = append(options, config.WithRegion(f.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, hint.With(fmt.Errorf("AWS configuration: %w", err), "look at AWS_PROFILE, AWS_CA_BUNDLE and the files in ~/.aws")
	}
	if _, err := deploy.CheckRegion(cfg.Region); err != nil {
		return cfg, deployError(err)
	}
	find, cancel := context.WithTimeout(ctx, credentialTimeout)
	defer cancel()
	if _, err := cfg.Credentials.Retrieve(find); err != nil {
		if ctx.Err() != nil {
			return cfg, interrupted()
		}
		return cfg, hint.With(fmt.Errorf("no AWS credentials: %w", err), "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with aws sso login")
	}
	return cfg, nil
}

// deployer joins package deploy to AWS.
func deployer(cfg aws.Config, f stackFlags, env map[string]string, report func(deploy.Event)) (*deploy.Deployer, error) {
	things := iot.NewFromConfig(cfg)
	iam := env["AWS_ENDPOINT_URL_IAM"]
	if iam == "" {
		iam = env["AWS_ENDPOINT_URL"]
	}
	d, err := deploy.New(deploy.Config{
		CloudFormation: cloudformation.NewFromConfig(cfg),
		S3:             awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = o.BaseEndpoint != nil }),
		STS:            sts.NewFromConfig(cfg),
		Permissions:    deploy.NewSimulator(cfg, cfg.Region, iam),
		Cameras: func(ctx context.Context, policy string) ([]string, error) {
			return provision.Holders(ctx, things, policy)
		},
		Template: template.Template, Region: cfg.Region, Stack: f.Stack, Release: template.Release, Report: report, Poll: f.Poll.d(),
	})
	return d, deployError(err)
}

// deployError gives errors about what was asked for the exit code of a wrong command line.
func deployError(err error) error {
	err = deploy.Explain(err)
	if errors.Is(err, deploy.ErrSettings) || errors.Is(err, provision.ErrName) {
		return kinded{err, errUsage}
	}
	return err
}
