// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/internal/cache/dynamostore"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/s3delivery"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/s3"
)

const (
	// sureCredentials is for how long the role's credentials are taken to be good. Lambda does not tell when they end; by
	// what is known it lets them live for hours, and starts no invocation with ones that are about to end.
	sureCredentials = time.Hour

	// A connection that lay idle while the process was frozen may be dead without anybody having noticed. S3 ends idle ones
	// within 5 to 20 s, DynamoDB within minutes.
	s3Idle     = 4 * time.Second
	dynamoIdle = time.Minute

	s3Try       = 3 * time.Second // one try of a request to the bucket: a second one fits into what a request may take
	dialTimeout = 3 * time.Second
)

// NewAPI returns the handler of the playback API for the functions playlist, replay and cameras. It contacts nobody.
func NewAPI(cfg Config) (http.Handler, error) {
	api, err := newAPI(&cfg)
	if err != nil {
		return nil, err
	}
	return api.handler, nil
}

type api struct {
	handler http.Handler
	idle    []*idle
}

func newAPI(cfg *Config) (*api, error) {
	cfg.setDefaults()
	bucket, err := s3.New(s3.Config{
		Endpoint: cfg.S3Endpoint, PathStyle: cfg.S3Endpoint != "", Region: cfg.Region, Bucket: cfg.Bucket, TryTimeout: s3Try, Now: cfg.Now,
		Credentials: s3.Static(cfg.Credentials.AccessKeyID, cfg.Credentials.SecretAccessKey, cfg.Credentials.SessionToken), Logger: cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	a := &api{idle: []*idle{{after: s3Idle, close: func() { _ = bucket.Close() }}}}
	pc := playback.Config{
		Store: bucket, Now: cfg.Now, Logger: cfg.Logger,
		ItemInPlaylist: cfg.ItemInPlaylist, M3U8TargetDuration: cfg.M3U8TargetDuration,
		NearRealtimeReplayCachePeriod:     cfg.NearRealtimeReplayCachePeriod,
		NearRealtimeReplayPrecedingPeriod: cfg.NearRealtimeReplayPrecedingPeriod,
		TSClipDuration:                    cfg.TSClipDuration, Retention: cfg.VideoRetention,
	}
	if cfg.Function == Cameras {
		pc.Windows = cache.NewMemory(cache.MemoryConfig{Now: cfg.Now, Logger: cfg.Logger}) // lists use none
	} else {
		client, transport := newDynamoDB(cfg)
		windows, err := dynamostore.New(client, dynamostore.Config{Table: cfg.Table, Now: cfg.Now, Logger: cfg.Logger})
		if err != nil {
			return nil, err
		}
		a.idle = append(a.idle, &idle{after: dynamoIdle, close: transport.CloseIdleConnections})
		pc.Windows, pc.DayFoldersOnly = windows, true
		pc.Heads, pc.FirstPTS, pc.EndPTS = bucket, mpegts.FirstPTS, mpegts.EndPTS
	}
	service, err := playback.New(pc)
	if err != nil {
		return nil, err
	}
	a.handler, err = httpapi.New(httpapi.Config{
		Playback: service, Live: cfg.LiveSegmentDelivery, Replay: cfg.ReplaySegmentDelivery,
		Presign: s3delivery.NewSigners(bucket).Get, PresignPeriod: cfg.NearRealtimeReplayCachePeriod, MaxPresign: sureCredentials,
		LiveAge:   -1, // each answer is what the table says: a viewer may be served by another instance next time
		RequestID: func(r *http.Request) string { return requestID(r.Context()) },
		Authorize: cfg.Access.authorize(cfg.Now),
		Fault:     fault, CORSOrigins: cfg.CORSOrigins, Now: cfg.Now, Logger: cfg.Logger,
	})
	return a, err
}

func (c *Config) setDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []*httpapi.Delivery{&c.LiveSegmentDelivery, &c.ReplaySegmentDelivery} {
		if *d == httpapi.Direct { // an answer of Lambda is too small for a segment
			*d = httpapi.Redirect
		}
	}
}

// newDynamoDB makes a client with the role's credentials. It leaves repeating to internal/cache.
func newDynamoDB(cfg *Config) (*dynamodb.Client, *http.Transport) {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     dynamoIdle,
	}
	credentials := aws.Credentials{
		AccessKeyID: cfg.Credentials.AccessKeyID, SecretAccessKey: string(cfg.Credentials.SecretAccessKey),
		SessionToken: string(cfg.Credentials.SessionToken),
	}
	o := dynamodb.Options{
		Region: cfg.Region, HTTPClient: &http.Client{Transport: transport}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return credentials, nil }),
	}
	if cfg.DynamoDBEndpoint != "" {
		o.BaseEndpoint = &cfg.DynamoDBEndpoint
	}
	return dynamodb.New(o), transport
}

// New returns what lambda.Start takes to run the function that cfg names. It contacts nobody.
func New(cfg Config) (any, error) {
	cfg.setDefaults()
	switch cfg.Function {
	case Playlist, Replay, Cameras:
	case Demosite:
		return newDemosite(cfg)
	default:
		return nil, fmt.Errorf("there is no function %q", cfg.Function)
	}
	a, err := newAPI(&cfg)
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", cfg.Function, err)
	}
	serve := NewHandler(a.handler, cfg.Logger)
	return func(ctx context.Context, ev events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		defer begin(ctx, cfg.Logger)()
		for _, i := range a.idle {
			i.wake(time.Now())
		}
		out, err := serve(ctx, ev)
		for _, i := range a.idle {
			i.rest(time.Now())
		}
		return out, err
	}, nil
}

// idle closes connections that nothing was sent on for too long. It goes by the time on the clock: timers do not run while
// a process is frozen.
type idle struct {
	since time.Time // wall clock; zero before the first use
	after time.Duration
	close func()
}

func (i *idle) rest(now time.Time) { i.since = now.Round(0) }

func (i *idle) wake(now time.Time) {
	if away := now.Round(0).Sub(i.since); !i.since.IsZero() && (away > i.after || away < 0) {
		i.close()
	}
}
