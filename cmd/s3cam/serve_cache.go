// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/redis/go-redis/v9"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/standalone"
)

// cacheFlags say where live windows are kept.
type cacheFlags struct {
	Cache string `placeholder:"URL" default:"memory" help:"Where the states of live playlists are kept: memory, or for several servers of one bucket redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER] (rediss:// with TLS, unix:// for a socket) or dynamodb://TABLE[?region=NAME]. With a password prefer the variable: a command line can be read by others on the machine."`
}

const cacheForms = "write memory, redis://HOST:6379, rediss://HOST, unix:///PATH or dynamodb://TABLE"

// apply reads --cache. Errors do not repeat it, since it may hold a password.
func (f *cacheFlags) apply(ctx context.Context, cfg *standalone.Config) error {
	kind, rest, _ := strings.Cut(f.Cache, "://")
	switch kind {
	case "memory":
		if f.Cache == "memory" {
			return nil
		}
	case "redis", "rediss", "unix":
		o, err := redis.ParseURL(f.Cache)
		if err != nil || rest == "" {
			return kinded{hint.With(fmt.Errorf("--cache: that is not the address of a Redis server"), cacheForms), errUsage}
		}
		cfg.Cache.Redis = o
		return nil
	case "dynamodb":
		u, err := url.Parse(f.Cache)
		if err != nil || u.Host == "" || u.Port() != "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
			return kinded{hint.With(fmt.Errorf("--cache: %q is not a table of DynamoDB", f.Cache), "write dynamodb://TABLE or dynamodb://TABLE?region=eu-central-1"), errUsage}
		}
		// url.Parse keeps the case of a host, and tables may have capitals.
		return f.dynamodb(ctx, cfg, u.Host, u.Query().Get("region"))
	}
	return kinded{hint.With(fmt.Errorf("--cache: unknown kind of store"), cacheForms), errUsage}
}

func (f *cacheFlags) dynamodb(ctx context.Context, cfg *standalone.Config, table, region string) error {
	var options []func(*config.LoadOptions) error
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	settings, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return hint.With(fmt.Errorf("--cache: AWS configuration: %w", err), "look at AWS_PROFILE, AWS_CA_BUNDLE and the files in ~/.aws")
	}
	if settings.Region == "" {
		return kinded{hint.With(fmt.Errorf("--cache: the region of table %s is not known", table), "write dynamodb://%s?region=NAME, or set AWS_REGION", table), errUsage}
	}
	cfg.Cache.DynamoDB, cfg.Cache.Table = dynamodb.NewFromConfig(settings, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }), table
	return nil
}
