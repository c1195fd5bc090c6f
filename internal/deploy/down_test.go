// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/deploy"
	"github.com/s3cam/s3cam/internal/deploy/deploytest"
)

const video = "ipc-video-bucket-" + deploytest.Account + "-0badcafe"

// withStack has a stack with video.
func withStack(t *testing.T, change ...func(*deploy.Config)) *house {
	t.Helper()
	h := newHouse(t, change...)
	if _, err := h.up(h.options()); err != nil {
		t.Fatal(err)
	}
	h.aws.AddBucket(video, deploytest.Account, map[string]string{"aws:cloudformation:stack-name": "s3cam", "aws:cloudformation:logical-id": "S3VideoBucket"},
		"door/1.ts", "door/2.ts", "door/3.ts", "yard/1.ts", "yard/2.ts")
	h.events = nil
	return h
}

func confirm(name string) func(string) (string, error) {
	return func(string) (string, error) { return name, nil }
}

func TestDownKeepsTheVideo(t *testing.T) {
	h := withStack(t)
	r, err := h.d.Down(t.Context(), deploy.DownOptions{})
	if err != nil || r.VideoBucket != video || r.VideoDeleted || r.Assets != assets {
		t.Fatalf("result %+v, error %v", r, err)
	}
	if got := h.aws.Status("s3cam"); got != "" {
		t.Errorf("the stack is %s", got)
	}
	if keys, ok := h.aws.Objects(video); !ok || len(keys) != 5 {
		t.Errorf("the video is %q", keys)
	}
	for _, s := range []string{"DELETE_SKIPPED S3VideoBucket", "the stack s3cam is deleted", "the video is kept in " + video, "--yes-delete-video " + video, "-p ExistingVideoBucketName=" + video, "aws s3 rb --force s3://" + assets} {
		if !strings.Contains(h.said(), s) {
			t.Errorf("it does not say %q:\n%s", s, h.said())
		}
	}
	// Later the video goes too, by its name.
	_, err = h.d.Down(t.Context(), deploy.DownOptions{})
	want(t, err, deploy.ErrNoStack, "no stack s3cam in eu-central-1")
	_, err = h.d.Down(t.Context(), deploy.DownOptions{DeleteVideo: confirm("other")})
	want(t, err, deploy.ErrSettings, `"other" is not the name of the video bucket, `+video)
	if r, err := h.d.Down(t.Context(), deploy.DownOptions{DeleteVideo: confirm(video)}); err != nil || !r.VideoDeleted || r.Objects != 5 {
		t.Errorf("result %+v, error %v", r, err)
	}
}

func TestDownWithVideoEmptiesTheBucket(t *testing.T) {
	h := withStack(t)
	r, err := h.d.Down(t.Context(), deploy.DownOptions{DeleteVideo: confirm(video)})
	if err != nil || !r.VideoDeleted || r.Objects != 5 {
		t.Fatalf("result %+v, error %v", r, err)
	}
	if _, ok := h.aws.Objects(video); ok {
		t.Error("the bucket is still there")
	}
	if !strings.Contains(h.said(), "deleted 2 objects from") || !strings.Contains(h.said(), "deleted 5 objects from") {
		t.Errorf("said\n%s", h.said())
	}
}

func TestAWrongNameDeletesNothing(t *testing.T) {
	h := withStack(t)
	before := len(h.aws.Wrote())
	_, err := h.d.Down(t.Context(), deploy.DownOptions{DeleteVideo: confirm("ipc-video-bucket")})
	want(t, err, deploy.ErrSettings, "nothing was deleted")
	gone := errors.New("no terminal")
	_, err = h.d.Down(t.Context(), deploy.DownOptions{DeleteVideo: func(string) (string, error) { return "", gone }})
	want(t, err, gone)
	if r, err := h.d.Down(t.Context(), deploy.DownOptions{DeleteVideo: confirm(video), DryRun: true}); err != nil || r.VideoDeleted || !strings.Contains(h.said(), "would be emptied and deleted") {
		t.Errorf("dry run: %+v, %v", r, err)
	}
	if wrote := h.aws.Wrote()[before:]; len(wrote) > 0 {
		t.Errorf("it did %q", wrote)
	}
}

func TestCamerasKeepTheStack(t *testing.T) {
	h := withStack(t, func(c *deploy.Config) {
		c.Cameras = func(_ context.Context, policy string) ([]string, error) {
			if policy != "s3cam-device" {
				return nil, errors.New("asked for " + policy)
			}
			return []string{"door", "yard"}, nil
		}
	})
	_, err := h.d.Down(t.Context(), deploy.DownOptions{})
	want(t, err, deploy.ErrState, "still has 2 cameras: door, yard", "s3cam camera remove NAME --stack s3cam")
}

func TestAFailedDeletionNamesTheFirstCause(t *testing.T) {
	h := withStack(t)
	h.aws.SetScript("delete", []deploytest.Step{
		{Logical: "DeviceIotPolicy", Type: "AWS::IoT::Policy", Status: "DELETE_FAILED", Reason: "The policy cannot be deleted as the policy is attached to one or more principals"},
		{Logical: "s3cam", Type: "AWS::CloudFormation::Stack", Status: "DELETE_FAILED", Reason: "The following resource(s) failed to delete: [DeviceIotPolicy].", Stack: "DELETE_FAILED"},
	})
	_, err := h.d.Down(t.Context(), deploy.DownOptions{})
	want(t, err, deploy.ErrFailed, "could not be deleted (DELETE_FAILED). First cause: DeviceIotPolicy", "s3cam camera remove NAME")
	h.aws.SetScript("delete", nil)
	if _, err := h.d.Down(t.Context(), deploy.DownOptions{}); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestDownLeavesOtherStacksAlone(t *testing.T) {
	h := newHouse(t)
	h.aws.AddStack("s3cam", "CREATE_COMPLETE", map[string]string{"Env": "prod"}, nil, nil)
	_, err := h.d.Down(t.Context(), deploy.DownOptions{})
	want(t, err, deploy.ErrTaken, "is not one of s3cam")
	if got := h.aws.Status("s3cam"); got != "CREATE_COMPLETE" {
		t.Errorf("it is %s", got)
	}
}
