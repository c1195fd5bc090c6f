// SPDX-License-Identifier: Apache-2.0

package dynamostore

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
)

// Attributes of an item:
//
//	pk          S   the window's id
//	version     N   compared and set by Save, from 1 on
//	window      S   the JSON of playback.Window, without what stands in parts
//	parts       L of S   names of the parts that hold the oldest entries, in order; missing when there are none
//	msn, dsn    N   numbers that the next window may not undercut, for the day when "window" cannot be read
//	writer      S   random, says which Save wrote it
//	expires_at  N   Unix seconds; DynamoDB deletes the item some time after it
//
// A part has pk, window (with nothing but entries) and expires_at.
const (
	attrKey     = "pk"
	attrVersion = "version"
	attrWindow  = "window"
	attrParts   = "parts"
	attrMSN     = "msn"
	attrDSN     = "dsn"
	attrWriter  = "writer"
	attrExpires = "expires_at"
)

// maxItemBytes is what an item may have, names and values counted (DynamoDB developer guide, "Constraints": 400 KB), less
// some room for how numbers are counted.
const maxItemBytes = 400*1024 - 1024

// dynItem is an item as it was read.
type dynItem struct {
	window   playback.Window
	parts    []string
	version  int64
	msn, dsn int64
}

// numbers is a window in place of an unreadable one: without entries, to be replaced, and its numbers are not undercut.
func (it *dynItem) numbers(id string) playback.Window {
	return playback.Window{ID: id, Version: it.version, MediaSequence: it.msn, DiscontinuitySequence: it.dsn}
}

func number(n int64) *types.AttributeValueMemberN {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// encodeItem makes the item of the version after w. Of its entries it holds rest; refs name the parts with the others.
func encodeItem(w playback.Window, refs []string, rest []playback.Entry, writer string) (map[string]types.AttributeValue, error) {
	msn, dsn := cache.NextNumbers(&w)
	w.Version++
	w.Entries = rest
	text, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	item := map[string]types.AttributeValue{
		attrKey:     &types.AttributeValueMemberS{Value: w.ID},
		attrVersion: number(w.Version),
		attrWindow:  &types.AttributeValueMemberS{Value: string(text)},
		attrMSN:     number(msn),
		attrDSN:     number(dsn),
		attrWriter:  &types.AttributeValueMemberS{Value: writer},
		attrExpires: number(cache.ExpiresAt(&w)),
	}
	if len(refs) > 0 {
		list := &types.AttributeValueMemberL{}
		for _, ref := range refs {
			list.Value = append(list.Value, &types.AttributeValueMemberS{Value: ref})
		}
		item[attrParts] = list
	}
	return item, checkSize(item)
}

func checkSize(item map[string]types.AttributeValue) error {
	if n := sizeOf(item); n > maxItemBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, n, maxItemBytes)
	}
	return nil
}

// sizeOf counts as DynamoDB does, for the types used here: a number takes at most 21 bytes, a list 3 and one per element.
func sizeOf(item map[string]types.AttributeValue) int {
	n := 0
	for name, v := range item {
		n += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += 21
		case *types.AttributeValueMemberL:
			n += 3
			for _, e := range v.Value {
				n += 1 + len(text(e))
			}
		}
	}
	return n
}

// condition makes Save atomic. A new window may also replace an item that no Save wrote: decodeItem reads its version as 0.
func condition(version int64) (*string, map[string]string, map[string]types.AttributeValue) {
	names := map[string]string{"#v": attrVersion} // "version" is no reserved word today; with a placeholder it may become one
	if version > 0 {
		return aws.String("#v = :v"), names, map[string]types.AttributeValue{":v": number(version)}
	}
	return aws.String("attribute_not_exists(#v) OR NOT attribute_type(#v, :n) OR #v < :one OR #v > :max"), names,
		map[string]types.AttributeValue{
			":n": &types.AttributeValueMemberS{Value: "N"}, ":one": number(1), ":max": number(cache.MaxVersion),
		}
}

// decodeItem reads the item of the window id. With an error (wrapping cache.ErrUnreadable) the result still has what could be read
// of version and numbers.
func decodeItem(id string, item map[string]types.AttributeValue) (dynItem, error) {
	var it dynItem
	version, ok := integer(item[attrVersion])
	if !ok || version < 1 || version > cache.MaxVersion {
		return it, fmt.Errorf("%w: %q is no number of s3cam, somebody else wrote it", cache.ErrUnreadable, attrVersion)
	}
	it.version = version
	if msn, ok := integer(item[attrMSN]); ok && msn >= 0 && msn <= cache.MaxVersion {
		it.msn = msn
	}
	if dsn, ok := integer(item[attrDSN]); ok && dsn >= 0 && dsn <= math.MaxInt32 {
		it.dsn = dsn
	}
	w, err := decodeWindow(item)
	if err != nil {
		return it, err
	}
	switch {
	case w.ID != id:
		return it, fmt.Errorf("%w: it holds the window of %q", cache.ErrUnreadable, w.ID)
	case w.MediaSequence < 0 || w.DiscontinuitySequence < 0 || w.TargetDuration < 0:
		return it, fmt.Errorf("%w: its window has numbers that no window has", cache.ErrUnreadable)
	}
	if list, ok := item[attrParts].(*types.AttributeValueMemberL); ok {
		for _, v := range list.Value {
			it.parts = append(it.parts, text(v))
		}
	}
	if len(it.parts) > cache.MostParts {
		return it, fmt.Errorf("%w: it names %d parts", cache.ErrUnreadable, len(it.parts))
	}
	w.Version = version
	it.window = w
	return it, nil
}

func decodeWindow(item map[string]types.AttributeValue) (playback.Window, error) {
	var w playback.Window
	s, ok := item[attrWindow].(*types.AttributeValueMemberS)
	if !ok {
		return w, fmt.Errorf("%w: attribute %q is missing", cache.ErrUnreadable, attrWindow)
	}
	if err := json.Unmarshal([]byte(s.Value), &w); err != nil {
		return w, fmt.Errorf("%w: %w", cache.ErrUnreadable, err)
	}
	return w, nil
}

func integer(v types.AttributeValue) (int64, bool) {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	return i, err == nil
}

func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
