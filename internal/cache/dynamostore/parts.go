// SPDX-License-Identifier: Apache-2.0

package dynamostore

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
)

// saveParts stores the oldest entries of w in parts, as far as they are not there yet, and returns their names and the
// entries that remain for the item itself.
func (d *Store) saveParts(ctx context.Context, w playback.Window) (refs []string, rest []playback.Entry, err error) {
	return d.parts.Save(w, func(x *cache.Part, text string) error { return d.putPart(ctx, x, text) })
}

func (d *Store) putPart(ctx context.Context, x *cache.Part, text string) error {
	item := map[string]types.AttributeValue{
		attrKey:     &types.AttributeValueMemberS{Value: x.Key},
		attrWindow:  &types.AttributeValueMemberS{Value: text},
		attrExpires: number(x.Expires),
	}
	if err := checkSize(item); err != nil {
		return err
	}
	in := &dynamodb.PutItemInput{TableName: &d.cfg.Table, Item: item}
	err := d.attempt(ctx, func(ctx context.Context) error {
		_, err := d.api.PutItem(ctx, in, withoutRetry)
		return err
	})
	if err == nil {
		d.parts.Put(x)
	}
	return err
}

// loadParts puts the entries of the parts in front of those of the item.
func (d *Store) loadParts(ctx context.Context, it *dynItem) error {
	older, err := d.parts.Load(it.window.ID, it.parts, func(pk string) (*cache.Part, error) { return d.getPart(ctx, pk) })
	if err != nil {
		return err
	}
	it.window.Entries = append(older, it.window.Entries...)
	return nil
}

func (d *Store) getPart(ctx context.Context, pk string) (*cache.Part, error) {
	item, err := d.get(ctx, pk)
	if err != nil {
		return nil, err
	}
	if item == nil {
		return nil, fmt.Errorf("%w: part %q of it is missing", cache.ErrUnreadable, pk)
	}
	w, err := decodeWindow(item)
	if err != nil {
		return nil, fmt.Errorf("part %q: %w", pk, err)
	}
	expires, _ := integer(item[attrExpires])
	x := &cache.Part{Key: pk, Entries: w.Entries, Expires: expires}
	d.parts.Put(x)
	return x, nil
}
