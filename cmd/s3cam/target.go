// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/s3"
)

// credentialTimeout bounds the search for credentials: the chain ends with a metadata service that many machines have not.
const credentialTimeout = 15 * time.Second

// client connects to the store that the flags choose. Where they say nothing it follows the AWS_* variables and profiles,
// as the AWS tools do.
func (f storeFlags) client(ctx context.Context, keys keyFlags, log *slog.Logger) (*s3.Client, error) {
	cfg, err := f.config(ctx, keys)
	if err != nil {
		return nil, err
	}
	cfg.Logger = log
	c, err := s3.New(cfg)
	if err != nil {
		return nil, kinded{err, errUsage}
	}
	return c, nil
}

func (f storeFlags) config(ctx context.Context, keys keyFlags) (s3.Config, error) {
	cfg := s3.Config{Endpoint: f.S3URL, Region: f.Region, Bucket: f.Bucket, DualStack: f.DualStack}
	if cfg.Endpoint == "aws" {
		cfg.Endpoint = ""
	}
	if f.Bucket == "" {
		return cfg, usage("missing flags: --bucket=NAME")
	}
	if (keys.S3AccessKey == "") != (keys.S3SecretKey == "") {
		return cfg, usage("--s3-access-key and --s3-secret-key (S3CAM_S3_ACCESS_KEY and S3CAM_S3_SECRET_KEY) belong together")
	}
	var options []func(*config.LoadOptions) error
	if f.Region != "" {
		options = append(options, config.WithRegion(f.Region))
	}
	chain, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, hint.With(fmt.Errorf("AWS configuration: %w", err), "look at AWS_PROFILE, AWS_CA_BUNDLE and the files in ~/.aws")
	}
	if cfg.Endpoint == "" {
		// The S3 client knows AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and the profile's services section.
		if u := awss3.NewFromConfig(chain).Options().BaseEndpoint; u != nil {
			cfg.Endpoint = *u
		}
	}
	if c, ok := chain.HTTPClient.(*awshttp.BuildableClient); ok {
		if t := c.GetTransport().TLSClientConfig; t != nil {
			cfg.RootCAs = t.RootCAs // of AWS_CA_BUNDLE or the profile's ca_bundle; else nil
		}
	}
	if cfg.Region == "" {
		cfg.Region = chain.Region
	}
	if cfg.Region == "" {
		cfg.Region = s3.DefaultRegion
	}
	cfg.PathStyle = f.PathStyle == "yes" || f.PathStyle == "auto" && cfg.Endpoint != ""
	if keys.S3AccessKey != "" {
		cfg.Credentials = s3.Static(keys.S3AccessKey, s3.Secret(keys.S3SecretKey), s3.Secret(keys.S3SessionToken))
		return cfg, nil
	}
	chained := chainedCredentials{chain.Credentials}
	cfg.Credentials = chained
	ctx, cancel := context.WithTimeout(ctx, credentialTimeout)
	defer cancel()
	if _, err := chained.Retrieve(ctx); err != nil {
		return cfg, hint.With(fmt.Errorf("no S3 credentials: %w", err),
			"set S3CAM_S3_ACCESS_KEY and S3CAM_S3_SECRET_KEY, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
	}
	return cfg, nil
}

// chainedCredentials gives the credentials of the AWS chain, which caches them and fetches new ones before they expire.
type chainedCredentials struct{ provider aws.CredentialsProvider }

func (c chainedCredentials) Retrieve(ctx context.Context) (s3.Credentials, error) {
	if c.provider == nil {
		return s3.Credentials{}, errors.New("no provider")
	}
	v, err := c.provider.Retrieve(ctx)
	if err != nil {
		return s3.Credentials{}, err
	}
	out := s3.Credentials{AccessKeyID: v.AccessKeyID, SecretAccessKey: s3.Secret(v.SecretAccessKey), SessionToken: s3.Secret(v.SessionToken)}
	if v.CanExpire {
		out.Expires = v.Expires
	}
	return out, nil
}

// Refresh drops what is cached: the server said that it has expired.
func (c chainedCredentials) Refresh(ctx context.Context, old s3.Credentials) (s3.Credentials, error) {
	if cache, ok := c.provider.(*aws.CredentialsCache); ok {
		if v, err := cache.Retrieve(ctx); err == nil && v.AccessKeyID == old.AccessKeyID && v.SessionToken == string(old.SessionToken) {
			cache.Invalidate()
		}
	}
	return c.Retrieve(ctx)
}
