// SPDX-License-Identifier: Apache-2.0

package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
)

// API is what a Store needs of the service; *dynamodb.Client satisfies it. A role needs dynamodb:GetItem and
// dynamodb:PutItem on the table and nothing else.
type API interface {
	GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(ctx context.Context, in *dynamodb.PutItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

// Defaults of Config.
const (
	DefaultAttempts       = 5
	DefaultAttemptTimeout = time.Second // a table in the same region answers within some 10 ms
)

// Config is what New takes.
type Config struct {
	Table          string           // required; its hash key is "pk" (S), its time to live attribute "expires_at"
	Attempts       int              // most tries of one request to the table; 0 = DefaultAttempts
	AttemptTimeout time.Duration    // longest wait for one answer; 0 = DefaultAttemptTimeout
	Now            func() time.Time // default time.Now
	Logger         *slog.Logger     // nil discards
}

// ErrTooLarge is answered by Save when a window cannot be kept in DynamoDB: a piece of it would exceed the 400 KB that an
// item may have. No camera's footage comes near that within MaxReplay (see parts).
var ErrTooLarge = errors.New("window is too large for a DynamoDB item")

// Store keeps windows in a table that all instances of all functions share (playback.WindowStore). It may be used
// concurrently. A Load is one strongly consistent GetItem, a Save one conditional PutItem; only an EVENT playlist of more
// than some 3 hours takes more (see parts).
//
// Requests are repeated here, not in the SDK: on throttling, 5xx, lost connections and answers that do not come, with
// growing random pauses, as long as the context allows. A Save whose answer was lost is recognised as its own when it is
// repeated.
//
// TTL deletes an item long after its window expired (see retain). Until then Load answers it, expired or not. What cannot
// be read (foreign or damaged) is logged and answered as a window without entries, so that the next Save replaces it.
type Store struct {
	api   API
	cfg   Config
	parts *cache.Parts
}

var _ playback.WindowStore = (*Store)(nil)

// New returns a store in the table cfg.Table, which is not looked at yet.
func New(api API, cfg Config) (*Store, error) {
	var problems []error
	if api == nil {
		problems = append(problems, errors.New("no DynamoDB client"))
	}
	if cfg.Table == "" {
		problems = append(problems, errors.New("no Table"))
	}
	if cfg.Attempts < 0 || cfg.AttemptTimeout < 0 {
		problems = append(problems, errors.New("negative Attempts or AttemptTimeout"))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("windows in DynamoDB: %w", errors.Join(problems...))
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = DefaultAttempts
	}
	if cfg.AttemptTimeout == 0 {
		cfg.AttemptTimeout = DefaultAttemptTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{api: api, cfg: cfg, parts: cache.NewParts()}, nil
}

// Load implements playback.WindowStore. An expired window is still answered: its numbers must not be undercut.
func (d *Store) Load(ctx context.Context, id string) (playback.Window, error) {
	item, err := d.get(ctx, id)
	if err != nil {
		return playback.Window{}, fmt.Errorf("read window %q in table %s: %w", id, d.cfg.Table, err)
	}
	if item == nil {
		return playback.Window{ID: id}, nil
	}
	it, err := decodeItem(id, item)
	if err == nil && len(it.parts) > 0 {
		err = d.loadParts(ctx, &it)
		if err != nil && !errors.Is(err, cache.ErrUnreadable) {
			return playback.Window{}, fmt.Errorf("read window %q in table %s: %w", id, d.cfg.Table, err)
		}
	}
	if err != nil {
		d.cfg.Logger.Error("an item of the cache table cannot be read; it will be replaced", "table", d.cfg.Table, "window", id,
			slog.Any("error", err))
		return it.numbers(id), nil
	}
	return it.window, nil
}

// Save implements playback.WindowStore.
func (d *Store) Save(ctx context.Context, w playback.Window) error {
	if err := d.save(ctx, w); err != nil {
		return fmt.Errorf("write window %q in table %s: %w", w.ID, d.cfg.Table, err)
	}
	return nil
}

func (d *Store) save(ctx context.Context, w playback.Window) error {
	if w.ID == "" || w.Version < 0 {
		return fmt.Errorf("no id or a negative version %d", w.Version)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	refs, rest, err := d.saveParts(ctx, w)
	if err != nil {
		return err
	}
	was := w.Version
	writer := cache.Nonce()
	item, err := encodeItem(w, refs, rest, writer)
	if err != nil {
		return err
	}
	in := &dynamodb.PutItemInput{TableName: &d.cfg.Table, Item: item}
	in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = condition(was)
	unsure := false // an earlier attempt may have been carried out although its answer was not received
	err = d.attempt(ctx, func(ctx context.Context) error {
		_, err := d.api.PutItem(ctx, in, withoutRetry)
		var failed *types.ConditionalCheckFailedException
		if !errors.As(err, &failed) {
			unsure = unsure || mayHaveHappened(err)
		}
		return err
	})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return err
	}
	if unsure {
		if stored, err := d.get(ctx, w.ID); err == nil && text(stored[attrWriter]) == writer {
			return nil
		}
	}
	return fmt.Errorf("%w: version %d is not there any more", playback.ErrConflict, was)
}

// get reads an item; nil when there is none.
func (d *Store) get(ctx context.Context, pk string) (map[string]types.AttributeValue, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := &dynamodb.GetItemInput{
		TableName:      &d.cfg.Table,
		Key:            map[string]types.AttributeValue{attrKey: &types.AttributeValueMemberS{Value: pk}},
		ConsistentRead: aws.Bool(true),
	}
	var item map[string]types.AttributeValue
	err := d.attempt(ctx, func(ctx context.Context) error {
		out, err := d.api.GetItem(ctx, in, withoutRetry)
		if err != nil {
			return err
		}
		item = out.Item
		return nil
	})
	if len(item) == 0 {
		item = nil
	}
	return item, err
}
