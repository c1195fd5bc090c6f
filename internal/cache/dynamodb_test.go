// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3cam/s3cam/internal/cache/dynamostore"
	"github.com/s3cam/s3cam/playback"
)

// answerError is an answer of the service as the SDK reports it.
func answerError(code string, status int, message string) error {
	return &smithy.OperationError{ServiceID: "DynamoDB", OperationName: "PutItem", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: message},
	}}
}

func connectionError(err error) error {
	return &smithy.OperationError{ServiceID: "DynamoDB", OperationName: "PutItem", Err: &smithyhttp.RequestSendError{Err: err}}
}

func TestConfigurationIsCheckedAtOnce(t *testing.T) {
	_, err := dynamostore.New(nil, dynamostore.Config{Attempts: -1})
	for _, want := range []string{"client", "Table", "Attempts"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestFailuresAreRepeatedOrExplained(t *testing.T) {
	tests := []struct {
		name  string
		err   error
		calls int    // of one Load
		want  string // in the error's text
	}{
		{"throttling is repeated", answerError("ProvisionedThroughputExceededException", 400, "slow"), 5, "capacity"},
		{"throttling of the account is repeated", answerError("ThrottlingException", 400, "slow"), 5, "capacity"},
		{"a server's error is repeated", answerError("InternalServerError", 500, "oops"), 5, "after 5 attempts"},
		{"an unavailable service is repeated", answerError("ServiceUnavailable", 503, "later"), 5, "after 5 attempts"},
		{"a lost connection is repeated", connectionError(io.ErrUnexpectedEOF), 5, "after 5 attempts"},
		{"a missing table is not", answerError("ResourceNotFoundException", 400, "Requested resource not found"), 1, "no such table"},
		{"a missing permission is not", answerError("AccessDeniedException", 400, "not authorized"), 1, "must allow dynamodb:GetItem"},
		{"a table of another shape is not", answerError("ValidationException", 400, "The provided key element does not match the schema"), 1, `hash key "pk"`},
		{"expired credentials are not", answerError("ExpiredTokenException", 400, "expired"), 1, "expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newTable(t)
				f.fail = func(context.Context, string, int, bool) error { return tt.err }
				d, err := dynamostore.New(f, dynamostore.Config{Table: "IPC-Cache"})
				if err != nil {
					t.Fatal(err)
				}
				for _, op := range []func() error{
					func() error { _, err := d.Load(t.Context(), "a"); return err },
					func() error { return d.Save(t.Context(), window("a", 0, 1, now)) },
				} {
					f.n = 0
					err := op()
					if f.n != tt.calls || err == nil || !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.want) ||
						!strings.Contains(err.Error(), "IPC-Cache") || errors.Is(err, playback.ErrConflict) {
						t.Errorf("%d calls (want %d): %v", f.n, tt.calls, err)
					}
				}
			})
		})
	}
}

func TestWhatPassesIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTable(t)
		f.fail = func(ctx context.Context, _ string, call int, done bool) error {
			switch {
			case call%4 == 1 && !done:
				return answerError("ProvisionedThroughputExceededException", 400, "slow")
			case call%4 == 2 && !done: // a connection that froze with its instance
				<-ctx.Done()
				return &smithy.CanceledError{Err: ctx.Err()}
			case call%4 == 3 && !done:
				return connectionError(io.EOF)
			}
			return nil
		}
		d, err := dynamostore.New(f, dynamostore.Config{Table: "t"})
		if err != nil {
			t.Fatal(err)
		}
		for version := range int64(10) {
			began := time.Now()
			save(t, d, window("a", version, 1, now))
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
			if w := load(t, d, "a"); w.Version != version+1 {
				t.Fatalf("version %d", w.Version)
			}
		}
	})
}

// The answer to a write gets lost, and the repetition meets the version that the first try made.
func TestAWriteWhoseAnswerIsLostCountsOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		rob  bool // another server overwrites it before the repetition
		want error
	}{
		{"the connection broke", connectionError(io.EOF), false, nil},
		{"the server said 500 although it wrote", answerError("InternalServerError", 500, "oops"), false, nil},
		{"another server was faster than the repetition", connectionError(io.EOF), true, playback.ErrConflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newTable(t)
				first, other := openTable(t, f, "t"), openTable(t, f, "t")
				lost := false
				f.fail = func(_ context.Context, op string, _ int, done bool) error {
					if op != "put" || !done || lost {
						return nil
					}
					lost = true
					if tt.rob {
						save(t, other, load(t, other, "a"))
					}
					return tt.err
				}
				if err := first.Save(t.Context(), window("a", 0, 1, now)); !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			})
		})
	}
}

func TestTheRequestsContextEndsRepeating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTable(t)
		f.fail = func(context.Context, string, int, bool) error { return answerError("ThrottlingException", 400, "slow") }
		d, err := dynamostore.New(f, dynamostore.Config{Table: "t", Attempts: 1000})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		_, err = d.Load(ctx, "a")
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "ThrottlingException") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took != 3*time.Second || f.n < 4 || f.n > 200 {
			t.Errorf("%d calls in %v, want them within the context's 3 s", f.n, took)
		}
	})
}

func TestItemsExpireLongAfterTheirWindow(t *testing.T) {
	f := newTable(t)
	d := openTable(t, f, "t")
	save(t, d, window("live", 0, 1, now))
	event := window("event\n1", 0, 1, now)
	event.Event = true
	save(t, d, event)
	for id, want := range map[string]time.Duration{"live": 30 * 24 * time.Hour, "event\n1": time.Hour} {
		at, err := strconv.ParseInt(f.items[id]["expires_at"].(*types.AttributeValueMemberN).Value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Unix(at, 0).Sub(now); got < want || got > want+2*time.Second {
			t.Errorf("%q is deleted %v after its window expired, want %v", id, got, want)
		}
	}
}

func TestDamagedAndForeignItemsAreReplacedWithoutNumbersGoingBack(t *testing.T) {
	s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	n := func(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
	tests := []struct {
		name             string
		spoil            func(item attributes)
		msn, dsn, versin int64
	}{
		{"the window is no JSON", func(i attributes) { i["window"] = s("{") }, 106, 8, 1},
		{"its entries are damaged", func(i attributes) { i["window"] = s(`{"ID":"a","Entries":"AAAA"}`) }, 106, 8, 1},
		{"the window is missing", func(i attributes) { delete(i, "window") }, 106, 8, 1},
		{"the window is of another type", func(i attributes) { i["window"] = n("7") }, 106, 8, 1},
		{"it holds another window", func(i attributes) { i["window"] = s(`{"ID":"b"}`) }, 106, 8, 1},
		{"its numbers are impossible", func(i attributes) { i["window"] = s(`{"ID":"a","MediaSequence":-1}`) }, 106, 8, 1},
		{"a part that it names is missing", func(i attributes) { i["parts"] = &types.AttributeValueMemberL{Value: []types.AttributeValue{s("x")}} }, 106, 8, 1},
		{"the numbers are damaged too", func(i attributes) { i["window"], i["msn"], i["dsn"] = s(""), n("-4"), s("x") }, 0, 0, 1},
		{"there is no version", func(i attributes) { delete(i, "version") }, 0, 0, 0},
		{"the version is a string", func(i attributes) { i["version"] = s("1") }, 0, 0, 0},
		{"the version is negative", func(i attributes) { i["version"] = n("-1") }, 0, 0, 0},
		{"the version is beyond all numbers", func(i attributes) { i["version"] = n("1e30") }, 0, 0, 0},
		{"nothing but a key", func(i attributes) { clear(i); i["pk"] = s("a") }, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			f := newTable(t)
			d, err := dynamostore.New(f, dynamostore.Config{Table: "IPC-Cache", Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			w := window("a", 0, 6, now)
			w.MediaSequence, w.DiscontinuitySequence, w.TargetDuration = 100, 7, 3
			w.Entries[3].Discontinuity = true
			save(t, d, w)
			tt.spoil(f.items["a"])
			got := load(t, d, "a")
			if got.ID != "a" || got.Version != tt.versin || len(got.Entries) != 0 || got.MediaSequence != tt.msn || got.DiscontinuitySequence != tt.dsn {
				t.Errorf("loaded %+v", got)
			}
			if l := log.String(); !strings.Contains(l, "level=ERROR") || !strings.Contains(l, "IPC-Cache") || !strings.Contains(l, "window=a") {
				t.Errorf("log %q", l)
			}
			got.Expires = now
			save(t, d, got)
			log.Reset()
			if again := load(t, d, "a"); again.Version != tt.versin+1 || log.Len() != 0 {
				t.Errorf("after it was replaced: %+v, log %q", again, log.String())
			}
		})
	}
}

func TestPartsAreWrittenAndReadOnce(t *testing.T) {
	f := newTable(t)
	d := openTable(t, f, "t")
	w := irregular("e\n1", 5*time.Hour) // 6,000 entries: one part
	save(t, d, w)
	if len(f.puts) != 2 || len(f.items) != 2 {
		t.Fatalf("puts %q", f.puts)
	}
	part := f.puts[0]
	for i := range 20 {
		w = load(t, d, w.ID)
		w.Expires = w.Expires.Add(time.Minute)
		w.Entries = append(w.Entries, playback.Entry{Key: w.Entries[len(w.Entries)-1].Key + 3, Duration: 3_000_000})
		save(t, d, w)
		if len(f.puts) != 3+i || f.puts[2+i] != w.ID {
			t.Fatalf("save %d wrote %q", i, f.puts[2:])
		}
	}
	for _, key := range f.reads {
		if key == part {
			t.Fatal("the writer read its own part")
		}
	}
	other := openTable(t, f, "t")
	for range 5 {
		load(t, other, w.ID)
	}
	times := 0
	for _, key := range f.reads {
		if key == part {
			times++
		}
	}
	if times != 1 {
		t.Errorf("the other server read the part %d times in 5 loads", times)
	}
	// Before an item outlives its part, the part is written again.
	w = load(t, d, w.ID)
	w.Expires = w.Expires.Add(30 * time.Hour)
	before := len(f.puts)
	save(t, d, w)
	if got := f.puts[before:]; len(got) != 2 || got[0] != part {
		t.Errorf("wrote %q, want the part and the item", got)
	}
	expires := func(key string) int64 {
		at, err := strconv.ParseInt(f.items[key]["expires_at"].(*types.AttributeValueMemberN).Value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if expires(part) < expires(w.ID) {
		t.Errorf("the part is deleted %d s before the item that names it", expires(w.ID)-expires(part))
	}
}

func TestAPartThatCannotBeReadForTheMomentIsNoDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTable(t)
		w := irregular("e\n1", 5*time.Hour)
		save(t, openTable(t, f, "t"), w)
		broken := answerError("InternalServerError", 500, "oops")
		f.fail = func(_ context.Context, op string, call int, _ bool) error {
			if call > 3 {
				return broken
			}
			return nil
		}
		if got, err := openTable(t, f, "t").Load(t.Context(), w.ID); !errors.Is(err, broken) {
			t.Errorf("got %d entries, error %v", len(got.Entries), err)
		}
	})
}

func TestWhatDoesNotFitIsRefusedClearly(t *testing.T) {
	f := newTable(t)
	w := window("a", 0, 1, now)
	w.Recent = make([]int64, 300_000)
	err := openTable(t, f, "t").Save(t.Context(), w)
	if !errors.Is(err, dynamostore.ErrTooLarge) || len(f.puts) != 0 {
		t.Errorf("%d puts, error %v", len(f.puts), err)
	}
}

func TestManyWindowsDoNotMix(t *testing.T) {
	f := newTable(t)
	d := openTable(t, f, "t")
	for i, id := range ids(100) {
		save(t, d, window(id, 0, i%7, now))
	}
	for i, id := range ids(100) {
		if w := load(t, d, id); w.ID != id || len(w.Entries) != i%7 {
			t.Errorf("%s: %+v", id, w)
		}
	}
}

// Whatever stands in the table, Load answers something that Save can replace, and the next Load is clean.
func FuzzLoad(f *testing.F) {
	f.Add(`{"ID":"a","MediaSequence":5,"TargetDuration":3,"Entries":null}`, "1", "6", "0", "")
	f.Add(`{"ID":"a","Entries":"Y2BkYGRgAAAAAP//AQAA//8="}`, "7", "-1", "x", "ref")
	f.Add(`{`, "0", "9223372036854775807", "1e9", "")
	f.Add(``, "9223372036854775807", "", "", "")
	f.Fuzz(func(t *testing.T, window, version, msn, dsn, part string) {
		table := newTable(t)
		item := attributes{"pk": &types.AttributeValueMemberS{Value: "a"}, "window": &types.AttributeValueMemberS{Value: window}}
		for name, v := range map[string]string{"version": version, "msn": msn, "dsn": dsn} {
			if _, err := strconv.ParseInt(v, 10, 64); err == nil { // the table takes nothing else as a number
				item[name] = &types.AttributeValueMemberN{Value: v}
			} else {
				item[name] = &types.AttributeValueMemberS{Value: v}
			}
		}
		if part != "" {
			item["parts"] = &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberS{Value: part}}}
		}
		table.items["a"] = item
		d := openTable(t, table, "t")
		w := load(t, d, "a")
		if w.ID != "a" || w.Version < 0 || w.MediaSequence < 0 || w.DiscontinuitySequence < 0 {
			t.Fatalf("loaded %+v", w)
		}
		next := playback.Window{ID: "a", Version: w.Version, Expires: now, TargetDuration: 3, MediaSequence: 9}
		save(t, d, next)
		if got := load(t, d, "a"); got.Version != w.Version+1 || got.MediaSequence != 9 {
			t.Fatalf("after replacing: %+v", got)
		}
	})
}
