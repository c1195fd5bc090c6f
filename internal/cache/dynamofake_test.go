// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type attributes = map[string]types.AttributeValue

// table is one table in memory. It knows the two conditions that package cache uses, limits items to 400 KB as counted by
// its own rules, and fails as told.
type table struct {
	t testing.TB

	mu    sync.Mutex
	items map[string]attributes
	reads []string // keys
	puts  []string
	// fail is called before and after each request is carried out (done); an error becomes the answer.
	fail func(ctx context.Context, op string, call int, done bool) error
	n    int
}

func newTable(t testing.TB) *table { return &table{t: t, items: map[string]attributes{}} }

func (f *table) answer(ctx context.Context, op string, call int, done bool) error {
	if f.fail == nil {
		return nil
	}
	return f.fail(ctx, op, call, done)
}

func (f *table) begin(ctx context.Context, op string) (int, error) {
	f.mu.Lock()
	f.n++
	n := f.n
	f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return n, err
	}
	return n, f.answer(ctx, op, n, false)
}

func (f *table) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	n, err := f.begin(ctx, "get")
	if err != nil {
		return nil, err
	}
	if in.ConsistentRead == nil || !*in.ConsistentRead {
		f.t.Error("an eventually consistent read")
	}
	key := in.Key["pk"].(*types.AttributeValueMemberS).Value
	f.mu.Lock()
	item := maps.Clone(f.items[key])
	f.reads = append(f.reads, key)
	f.mu.Unlock()
	if err := f.answer(ctx, "get", n, true); err != nil {
		return nil, err
	}
	return &dynamodb.GetItemOutput{Item: item}, nil
}

func (f *table) PutItem(ctx context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	n, err := f.begin(ctx, "put")
	if err != nil {
		return nil, err
	}
	if err := f.put(in); err != nil {
		return nil, err
	}
	if err := f.answer(ctx, "put", n, true); err != nil {
		return nil, err
	}
	return &dynamodb.PutItemOutput{}, nil
}

func (f *table) put(in *dynamodb.PutItemInput) error {
	key := in.Item["pk"].(*types.AttributeValueMemberS).Value
	size := 0
	for name, v := range in.Item {
		size += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		case *types.AttributeValueMemberN:
			size += len(v.Value)/2 + 2
		case *types.AttributeValueMemberL:
			size += 3
			for _, e := range v.Value {
				size += 1 + len(e.(*types.AttributeValueMemberS).Value)
			}
		default:
			f.t.Errorf("attribute %s is a %T", name, v)
		}
	}
	if size > 400*1024 {
		return answerError("ValidationException", 400, "Item size has exceeded the maximum allowed size")
	}
	if _, ok := in.Item["expires_at"].(*types.AttributeValueMemberN); !ok {
		f.t.Errorf("item %q never expires", key)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.puts = append(f.puts, key)
	if in.ConditionExpression != nil && !f.holds(in, f.items[key]) {
		return &types.ConditionalCheckFailedException{}
	}
	f.items[key] = maps.Clone(in.Item)
	return nil
}

func (f *table) holds(in *dynamodb.PutItemInput, item attributes) bool {
	v := item[in.ExpressionAttributeNames["#v"]]
	number := func(v types.AttributeValue) float64 {
		n, ok := v.(*types.AttributeValueMemberN)
		if !ok {
			f.t.Errorf("%v is no number", v)
			return 0
		}
		x, err := strconv.ParseFloat(n.Value, 64)
		if err != nil {
			f.t.Error(err)
		}
		return x
	}
	_, isNumber := v.(*types.AttributeValueMemberN)
	switch c := *in.ConditionExpression; c {
	case "#v = :v":
		return isNumber && number(v) == number(in.ExpressionAttributeValues[":v"])
	case "attribute_not_exists(#v) OR NOT attribute_type(#v, :n) OR #v < :one OR #v > :max":
		return !isNumber || number(v) < number(in.ExpressionAttributeValues[":one"]) || number(v) > number(in.ExpressionAttributeValues[":max"])
	default:
		panic(fmt.Sprintf("the fake does not know the condition %q", c))
	}
}
