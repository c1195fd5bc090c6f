// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/s3"
)

// cfnResponse is what CloudFormation gets at the end of an event.
type cfnResponse struct {
	Status, Reason, PhysicalResourceID string
	StackID                            string `json:"StackId"`
	RequestID                          string `json:"RequestId"`
	LogicalResourceID                  string `json:"LogicalResourceId"`
	Data                               map[string]any
}

// cloudFormation sends events of a custom resource and receives the responses.
type cloudFormation struct {
	w        *world
	url      string
	received chan cfnResponse
}

func newCloudFormation(t *testing.T, w *world) *cloudFormation {
	t.Helper()
	c := &cloudFormation{w: w, received: make(chan cfnResponse, 10)}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in cfnResponse
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		if err != nil || r.Method != http.MethodPut || r.Header.Get("Content-Type") != "" || r.URL.Query().Get("X-Amz-Signature") != "x" {
			t.Errorf("response to CloudFormation: %s %s, Content-Type %q (the URL is signed without one), %s (%v)", r.Method, r.URL, r.Header.Get("Content-Type"), body, err)
		}
		c.received <- in
	}))
	t.Cleanup(server.Close)
	c.url = server.URL + "/response?X-Amz-Signature=x"
	return c
}

// send runs the function with one event and returns what CloudFormation would read.
func (c *cloudFormation) send(t *testing.T, kind, physicalID string, properties, old map[string]any) cfnResponse {
	t.Helper()
	event := map[string]any{
		"RequestType": kind, "ResponseURL": c.url, "StackId": c.w.stack.StackID, "RequestId": "request-" + kind,
		"ResourceType": "Custom::Demosite", "LogicalResourceId": "Demosite", "ResourceProperties": properties,
	}
	if physicalID != "" {
		event["PhysicalResourceId"] = physicalID
	}
	if old != nil {
		event["OldResourceProperties"] = old
	}
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.w.functions["DemositeFunction"].Invoke(t.Context(), payload)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	select {
	case in := <-c.received:
		if in.StackID != c.w.stack.StackID || in.RequestID != "request-"+kind || in.LogicalResourceID != "Demosite" || in.PhysicalResourceID == "" {
			t.Errorf("%s: response %+v", kind, in)
		}
		return in
	default:
		t.Fatalf("%s: CloudFormation would wait for ever: %q %s", kind, r.ErrorType, r.Payload)
		return cfnResponse{}
	}
}

func TestCustomResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	c := newCloudFormation(t, w)
	properties := w.stack.Resources["Demosite"].Properties
	root := func(bucket string) *s3.Client {
		client, err := s3.New(s3.Config{Endpoint: w.engine.URL(), Region: w.stack.Region, Bucket: bucket, PathStyle: true, Credentials: s3.Static(rootKey, rootSecret, "")})
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	site, video := root(w.site.Name()), root(w.video.Name())
	// What the deployer keeps in the same buckets.
	mine := map[*s3.Client][]string{site: {"demosite/mine.html", "other/mine.html", "readme.txt"}, video: {"cam1/2021/01/01/00/00/00.ts"}}
	for client, keys := range mine {
		for _, key := range keys {
			if _, err := client.Put(t.Context(), key, strings.NewReader("mine"), 4, s3.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}

	created := c.send(t, "Create", "", properties, nil)
	endpoint, _ := created.Data["CredentialEndpoint"].(string)
	if created.Status != "SUCCESS" || endpoint != iotEndpoint {
		t.Fatalf("create: %+v", created)
	}
	w.checkSite(t, site, "demosite/")
	recorded := recordedBy(t, w, "demo/")
	if len(recorded) == 0 || recorded[0] != "demo/2021/01/01/00/00/00.ts" {
		t.Fatalf("demo video: %q", recorded)
	}
	w.playDemo(t)

	// The same again, as when only the release changes: nothing that is there is sent again.
	w.s3.take()
	again := c.send(t, "Update", created.PhysicalResourceID, properties, properties)
	for _, call := range w.s3.take() {
		if call.action == "s3:PutObject" && !strings.Contains(call.resource, "/demo/") {
			t.Errorf("an update without changes writes %s", call.resource)
		}
	}
	// Into another folder: the old one is left as the deployer filled it.
	moved := map[string]any{}
	for k, v := range properties {
		moved[k] = v
	}
	moved["Path"] = "other/"
	update := c.send(t, "Update", created.PhysicalResourceID, moved, properties)
	for what, r := range map[string]cfnResponse{"update": again, "move": update} {
		if r.Status != "SUCCESS" || r.PhysicalResourceID != created.PhysicalResourceID || r.Data["CredentialEndpoint"] != endpoint {
			t.Errorf("%s: %+v; an id that changes makes CloudFormation delete the old resource", what, r)
		}
	}
	w.checkSite(t, site, "other/")
	if got := belowPath(t, w, "demosite/"); !slices.Equal(got, []string{"demosite/mine.html"}) {
		t.Errorf("the folder of before holds %q", got)
	}

	before := sortedKeys(t, w.video)
	deleted := c.send(t, "Delete", created.PhysicalResourceID, moved, nil)
	if deleted.Status != "SUCCESS" || deleted.PhysicalResourceID != created.PhysicalResourceID {
		t.Errorf("delete: %+v", deleted)
	}
	if got := sortedKeys(t, w.site); !slices.Equal(got, mine[site]) {
		t.Errorf("after delete the site bucket holds %q, want %q", got, mine[site])
	}
	if got := sortedKeys(t, w.video); !slices.Equal(got, before) {
		t.Errorf("delete changed the video bucket: %q, was %q", got, before)
	}
	if again := c.send(t, "Delete", created.PhysicalResourceID, moved, nil); again.Status != "SUCCESS" {
		t.Errorf("a second delete: %+v", again)
	}
}

func TestCustomResourceTellsWhyItFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	c := newCloudFormation(t, w)
	properties := w.stack.Resources["Demosite"].Properties
	w.s3.disturb(func(rw http.ResponseWriter, _ *http.Request, _ call) bool {
		s3Error(rw, http.StatusForbidden, "AccessDenied", "no")
		return true
	})
	if r := c.send(t, "Create", "", properties, nil); r.Status != "FAILED" || !strings.Contains(r.Reason, "role") || !strings.Contains(r.Reason, w.site.Name()) {
		t.Errorf("refused: %+v", r)
	}
	w.s3.disturb(nil)
	if r := c.send(t, "Create", "", map[string]any{"Path": "no slash"}, nil); r.Status != "FAILED" || !strings.Contains(r.Reason, "VideoBucket") {
		t.Errorf("wrong properties: %+v", r)
	}
	// CloudFormation rolls a failed create back by a delete with the same properties. It must not get stuck there.
	if r := c.send(t, "Delete", "anything", map[string]any{"Path": "no slash"}, nil); r.Status != "SUCCESS" {
		t.Errorf("delete of what never was: %+v", r)
	}
	if r := c.send(t, "Create", "", properties, nil); r.Status != "SUCCESS" {
		t.Errorf("after the cause was mended: %+v", r)
	}
}

// checkSite reads the site as a browser would.
func (w *world) checkSite(t *testing.T, site *s3.Client, path string) {
	t.Helper()
	read := func(key string) (string, string) {
		o, err := site.Get(t.Context(), path+key, s3.GetOptions{})
		if err != nil {
			t.Errorf("%s: %v", path+key, err)
			return "", ""
		}
		defer func() { _ = o.Body.Close() }()
		body, err := io.ReadAll(o.Body)
		if err != nil {
			t.Error(err)
		}
		return string(body), o.ContentType
	}
	index, kind := read("index.html")
	if !strings.HasPrefix(kind, "text/html") {
		t.Errorf("index.html is %q", kind)
	}
	assets := regexp.MustCompile(`(?:src|href)="\./(assets/[^"]+)"`).FindAllStringSubmatch(index, -1)
	if len(assets) < 2 {
		t.Errorf("index.html names %q: %.1000s", assets, index)
	}
	for _, a := range assets {
		body, kind := read(a[1])
		want := map[bool]string{true: "text/css", false: "text/javascript"}[strings.HasSuffix(a[1], ".css")]
		if body == "" || !strings.HasPrefix(kind, want) {
			t.Errorf("%s: %d bytes of %q, want %s", a[1], len(body), kind, want)
		}
	}
	var config struct {
		APIBase string `json:"apiBase"`
		Clips   *bool  `json:"clips"`
	}
	text, kind := read("config.json")
	if err := json.Unmarshal([]byte(text), &config); err != nil || strings.TrimSuffix(config.APIBase, "/") != w.api.URL || kind != "application/json" || config.Clips == nil || *config.Clips {
		t.Errorf("config.json: %s of %q (%v), want apiBase %s and no clips", text, kind, err, w.api.URL)
	}
}

// playDemo plays the demo as the stack's output DemoReplayUrl has it.
func (w *world) playDemo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ffprobe"); err != nil {
		t.Skip("SKIPPED: the demo's video is not decoded because ffprobe is not installed (make deps)")
	}
	address := w.api.URL + "/replay.m3u8?camera_id=demo&start=2021-01-01%2000:00:00"
	cmd := exec.CommandContext(t.Context(), "ffprobe", "-hide_banner", "-loglevel", "warning", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames,codec_name",
		"-of", "default=noprint_wrappers=1", address)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffprobe: %v\n%s", err, problems.String())
	}
	if got := out.String(); !strings.Contains(got, "codec_name=h264") || !strings.Contains(got, "nb_read_frames=900") {
		t.Errorf("60 s of 15 frames per second: %s\n%s", got, problems.String())
	}
}

// recordedBy lists a camera's segments.
func recordedBy(t *testing.T, w *world, prefix string) []string {
	t.Helper()
	return slices.DeleteFunc(sortedKeys(t, w.video), func(k string) bool { return !strings.HasPrefix(k, prefix) })
}

// belowPath lists the site bucket below a folder.
func belowPath(t *testing.T, w *world, prefix string) []string {
	t.Helper()
	return slices.DeleteFunc(sortedKeys(t, w.site), func(k string) bool { return !strings.HasPrefix(k, prefix) })
}
