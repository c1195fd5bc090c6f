// SPDX-License-Identifier: Apache-2.0

package awslambda_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/awslambda"
	"github.com/s3cam/s3cam/internal/httpapi"
)

// stack is the environment of a function with the stack's defaults.
func stack(function string) map[string]string {
	return map[string]string{
		"S3CAM_FUNCTION": function, "S3CAM_BUCKET": "ipc-video-bucket-123", "S3CAM_CACHE_TABLE": "IPC-Cache-x",
		"ITEM_IN_PLAYLIST": "6", "M3U8_TARGET_DURATION": "9", "NEAR_REALTIME_REPLAY_CACHE_PERIOD": "600",
		"NEAR_REALTIME_REPLAY_PRECEDING_PERIOD": "120", "TS_CLIP_DURATION": "3", "VIDEO_RETENTION_DAYS": "0",
		"S3CAM_LIVE_DELIVERY": "presign", "S3CAM_REPLAY_DELIVERY": "redirect", "AWS_REGION": "us-east-1",
		"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "very-secret", "AWS_SESSION_TOKEN": "token/+==",
		"S3CAM_ANONYMOUS": "true",
	}
}

func env(m map[string]string) func(string) string { return func(name string) string { return m[name] } }

func TestSettingsOfTheStack(t *testing.T) {
	m := stack("playlist")
	m["VIDEO_RETENTION_DAYS"], m["S3CAM_CORS_ORIGINS"], m["S3CAM_LOG_LEVEL"] = "7", "https://a.example, https://b.example", "debug"
	m["AWS_ENDPOINT_URL"], m["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:1", "http://127.0.0.1:2"
	c, err := awslambda.Settings(env(m))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.Function, " ", c.Bucket, " ", c.Table, " ", c.ItemInPlaylist, c.M3U8TargetDuration, c.NearRealtimeReplayCachePeriod, c.NearRealtimeReplayPrecedingPeriod,
		c.TSClipDuration, c.VideoRetention, c.LiveSegmentDelivery == httpapi.Presign, c.ReplaySegmentDelivery == httpapi.Redirect, c.CORSOrigins, c.Region, c.LogLevel,
		" ", c.S3Endpoint, " ", c.DynamoDBEndpoint, " ", c.Credentials.AccessKeyID, string(c.Credentials.SecretAccessKey), string(c.Credentials.SessionToken))
	want := "playlist ipc-video-bucket-123 IPC-Cache-x 6 9 10m0s 2m0s 3s 168h0m0s true true [https://a.example https://b.example]us-east-1DEBUG " +
		"http://127.0.0.1:2 http://127.0.0.1:1 ASIAEXAMPLEvery-secrettoken/+=="
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(fmt.Sprintf("%+v", c), "very-secret") {
		t.Error("a Config prints its secret")
	}
}

func TestEveryWrongVariableIsNamedAtOnce(t *testing.T) {
	tests := []struct {
		name   string
		change map[string]string // "" takes away
		want   []string
	}{
		{"nothing is set", nil, []string{"S3CAM_FUNCTION", "S3CAM_BUCKET", "S3CAM_CACHE_TABLE", "ITEM_IN_PLAYLIST", "M3U8_TARGET_DURATION", "NEAR_REALTIME_REPLAY_CACHE_PERIOD",
			"NEAR_REALTIME_REPLAY_PRECEDING_PERIOD", "TS_CLIP_DURATION", "VIDEO_RETENTION_DAYS", "S3CAM_LIVE_DELIVERY", "S3CAM_REPLAY_DELIVERY", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}},
		{"numbers out of range", map[string]string{"ITEM_IN_PLAYLIST": "2", "TS_CLIP_DURATION": "61", "VIDEO_RETENTION_DAYS": "-1", "M3U8_TARGET_DURATION": "9s"},
			[]string{`ITEM_IN_PLAYLIST is "2", want 3..100`, `TS_CLIP_DURATION is "61", want 1..60`, `VIDEO_RETENTION_DAYS is "-1", want 0..3650`, `M3U8_TARGET_DURATION is "9s"`}},
		{"words that mean nothing", map[string]string{"S3CAM_FUNCTION": "live", "S3CAM_LIVE_DELIVERY": "direct", "S3CAM_REPLAY_DELIVERY": "mail", "S3CAM_LOG_LEVEL": "loud", "AWS_ENDPOINT_URL_DYNAMODB": "localhost:8000"},
			[]string{`S3CAM_FUNCTION is "live"`, `S3CAM_LIVE_DELIVERY is "direct", want presign or redirect`, `S3CAM_REPLAY_DELIVERY is "mail"`, `S3CAM_LOG_LEVEL is "loud"`, `AWS_ENDPOINT_URL_DYNAMODB is "localhost:8000"`}},
		{"access that means nothing", map[string]string{"S3CAM_ANONYMOUS": "yes"}, []string{`S3CAM_ANONYMOUS is "yes", want true or false`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := map[string]string{}
			if tt.change != nil {
				m = stack("replay")
				maps.Copy(m, tt.change)
			}
			_, err := awslambda.Settings(env(m))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q:\n%v", w, err)
				}
			}
			if n := strings.Count(err.Error(), "\n") + 1; n != len(tt.want) {
				t.Errorf("%d complaints, want %d:\n%v", n, len(tt.want), err)
			}
			if strings.Contains(err.Error(), "very-secret") {
				t.Error("the error shows a secret")
			}
		})
	}
}

func TestEachFunctionNeedsOnlyItsOwn(t *testing.T) {
	cameras := stack("cameras")
	delete(cameras, "S3CAM_CACHE_TABLE")
	delete(cameras, "S3CAM_LIVE_DELIVERY")
	delete(cameras, "S3CAM_REPLAY_DELIVERY")
	site := map[string]string{"S3CAM_FUNCTION": "demosite", "AWS_REGION": "cn-north-1", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}
	for _, m := range []map[string]string{stack("playlist"), stack("replay"), cameras, site} {
		c, err := awslambda.Settings(env(m))
		if err != nil {
			t.Errorf("%s: %v", m["S3CAM_FUNCTION"], err)
			continue
		}
		if h, err := awslambda.New(c); err != nil || h == nil {
			t.Errorf("%s: %v", m["S3CAM_FUNCTION"], err)
		}
	}
}

func TestLambdaIsToldWhyAFunctionCannotStart(t *testing.T) {
	var got struct{ ErrorMessage, ErrorType string }
	var kind string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind = r.Method + " " + r.URL.Path + " " + r.Header.Get("Lambda-Runtime-Function-Error-Type")
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(202)
	}))
	defer s.Close()
	if err := awslambda.ReportInitError(t.Context(), s.Listener.Addr().String(), errors.New("no bucket")); err != nil {
		t.Fatal(err)
	}
	if got.ErrorMessage != "no bucket" || kind != "POST /2018-06-01/runtime/init/error Runtime.InitError" {
		t.Errorf("Lambda was told %+v by %s", got, kind)
	}
	s.Close()
	if err := awslambda.ReportInitError(t.Context(), s.Listener.Addr().String(), errors.New("x")); err == nil {
		t.Error("nobody was told, and there is no error")
	}
}

func TestLogLinesHaveLambdasNames(t *testing.T) {
	var b bytes.Buffer
	log := awslambda.NewLogger(&b, slog.LevelInfo)
	log.Debug("left out")
	log.With("camera", "cam1").Warn("careful", "took", 3*time.Second)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%s: %v", &b, err)
	}
	if line["level"] != "WARN" || line["message"] != "careful" || line["camera"] != "cam1" || line["timestamp"] == nil {
		t.Errorf("line %v", line)
	}
}
