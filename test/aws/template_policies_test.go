// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/test/aws/cfntest"
)

const (
	videoBucket = "ipc-video-bucket-123456789012-0a1b2c3d"
	siteBucket  = "ipc-website-bucket-123456789012-0a1b2c3d"
)

// sentence writes a statement on one line.
func sentence(s cfntest.Statement) string {
	word := "deny"
	if s.Allow {
		word = "allow"
	}
	if s.Principal != nil {
		word += " " + strings.Join(s.Principal, ",")
	}
	text := word + " " + strings.Join(s.Actions, ",")
	if s.Resources != nil {
		text += " on " + strings.Join(s.Resources, ",")
	}
	for _, c := range s.Condition {
		text += fmt.Sprintf(" if %s %s %s", c.Key, c.Operator, strings.Join(c.Values, ","))
	}
	return text
}

// Every statement of every policy, and no other. What is written here is what the stack's parts may do.
func TestLeastPrivilege(t *testing.T) {
	const logs = "allow logs:CreateLogStream,logs:PutLogEvents on arn:PART:logs:REGION:123456789012:log-group:/aws/lambda/"
	const days = "allow s3:ListBucket on arn:PART:s3:::" + videoBucket + " if s3:prefix StringLike */20??/??/??/*,*/1970/??/??/*"
	const read = "allow s3:GetObject on arn:PART:s3:::" + videoBucket + "/*.ts"
	const share = "allow dynamodb:GetItem,dynamodb:PutItem on arn:PART:dynamodb:REGION:123456789012:table/IPC-Cache-0a1b2c3d"
	const lambda = "allow Service:lambda.amazonaws.com sts:AssumeRole"
	overTLS := func(bucket string) string {
		return "deny * s3:* on arn:PART:s3:::" + bucket + ",arn:PART:s3:::" + bucket + "/* if aws:SecureTransport Bool false"
	}
	want := map[string][]string{
		"PlaylistRole": {logs + "IPC-Playlist-0a1b2c3d:*", days, read, share},
		"ReplayRole":   {logs + "IPC-Replay-0a1b2c3d:*", days, read, share},
		"CamerasRole":  {logs + "IPC-Cameras-0a1b2c3d:*", "allow s3:ListBucket on arn:PART:s3:::" + videoBucket},
		"DemositeRole": {logs + "IPC-Demosite-0a1b2c3d:*", "allow s3:ListBucket on arn:PART:s3:::" + siteBucket,
			"allow s3:PutObject,s3:DeleteObject on arn:PART:s3:::" + siteBucket + "/*",
			"allow s3:PutObject on arn:PART:s3:::" + videoBucket + "/demo/*", "allow iot:DescribeEndpoint on *"},
		"DeviceRole":      {"allow s3:PutObject,s3:PutObjectTagging on arn:PART:s3:::" + videoBucket + "/${credentials-iot:ThingName}/*.ts"},
		"DeviceIotPolicy": {"allow iot:AssumeRoleWithCertificate on arn:PART:iot:REGION:123456789012:rolealias/s3cam-device-0a1b2c3d"},
		// Buckets.
		"VideoBucketPolicy":   {overTLS(videoBucket)},
		"WebsiteBucketPolicy": {overTLS(siteBucket)},
		// Who may take a role.
		"PlaylistRole trust": {lambda}, "ReplayRole trust": {lambda}, "CamerasRole trust": {lambda}, "DemositeRole trust": {lambda},
		"DeviceRole trust": {"allow Service:credentials.iot.amazonaws.com sts:AssumeRole"},
	}
	cloudfront := map[string]string{
		"global": "allow Service:cloudfront.amazonaws.com s3:GetObject on arn:PART:s3:::" + siteBucket + "/* if AWS:SourceArn StringEquals arn:PART:cloudfront::123456789012:distribution/<Distribution>",
		"china":  "allow CanonicalUser:<Oai.S3CanonicalUserId> s3:GetObject on arn:PART:s3:::" + siteBucket + "/*",
	}
	for partition := range partitions() {
		for _, parameters := range [][]string{nil, domains(partition)} {
			t.Run(fmt.Sprintf("%s, domains %v", partition, parameters != nil), func(t *testing.T) {
				st := evaluate(t, partition, parameters...)
				want := maps.Clone(want)
				if partition == "global" || parameters != nil {
					want["WebsiteBucketPolicy"] = append(slices.Clone(want["WebsiteBucketPolicy"]), cloudfront[partition])
				}
				fill := strings.NewReplacer("PART", st.Partition, "REGION", st.Region)
				for name := range want {
					for i, s := range want[name] {
						if i == 0 {
							want[name] = slices.Clone(want[name])
						}
						want[name][i] = fill.Replace(s)
					}
				}
				got := map[string][]string{}
				for id, r := range st.Resources {
					read := func(name string, p cfntest.Policy, err error) {
						if err != nil {
							t.Errorf("%s: %v", name, err)
						}
						for _, s := range p {
							got[name] = append(got[name], sentence(s))
						}
					}
					if r.Get("PolicyDocument") != nil || r.Type == "AWS::IAM::Role" {
						p, err := st.Policy(id)
						read(id, p, err)
					}
					if r.Type == "AWS::IAM::Role" {
						p, err := st.Trust(id)
						read(id+" trust", p, err)
					}
				}
				for _, name := range slices.Sorted(maps.Keys(want)) {
					if !slices.Equal(got[name], want[name]) {
						t.Errorf("%s\ngot  %s\nwant %s", name, strings.Join(got[name], "\n     "), strings.Join(want[name], "\n     "))
					}
				}
				for name := range got {
					if want[name] == nil {
						t.Errorf("%s has a policy that nobody expects: %q", name, got[name])
					}
				}
			})
		}
	}
}

// What the roles may do and may not, asked of their policies.
func TestRolesMayDoTheirWorkAndNothingElse(t *testing.T) {
	type question struct {
		role, action, resource string
		prefix                 string // of a listing; "-" = the request names none
		yes                    bool
	}
	const video, site = "arn:PART:s3:::" + videoBucket, "arn:PART:s3:::" + siteBucket
	const table = "arn:PART:dynamodb:REGION:123456789012:table/IPC-Cache-0a1b2c3d"
	key := video + "/cam/2026/11/25/09/30/00.ts"
	tests := []question{
		{"DeviceRole", "s3:PutObject", key, "", true},
		{"DeviceRole", "s3:PutObjectTagging", key, "", true},
		{"DeviceRole", "s3:PutObject", video + "/cam/sub/2026/11/25/09/30/00.ts", "", true},
		{"DeviceRole", "s3:PutObject", video + "/cam2/2026/11/25/09/30/00.ts", "", false},
		{"DeviceRole", "s3:PutObject", video + "/ca/2026/11/25/09/30/00.ts", "", false},
		{"DeviceRole", "s3:PutObject", video + "/x/cam/2026/11/25/09/30/00.ts", "", false},
		{"DeviceRole", "s3:PutObject", video + "/cam/index.html", "", false},
		{"DeviceRole", "s3:PutObject", video + "/cam.ts", "", false},
		{"DeviceRole", "s3:PutObject", site + "/cam/2026/11/25/09/30/00.ts", "", false},
		{"DeviceRole", "s3:GetObject", key, "", false},
		{"DeviceRole", "s3:DeleteObject", key, "", false},
		{"DeviceRole", "s3:PutObjectAcl", key, "", false},
		{"DeviceRole", "s3:ListBucket", video, "cam/2026/11/25/", false},
		{"DeviceRole", "dynamodb:GetItem", table, "", false},

		{"CamerasRole", "s3:ListBucket", video, "", true},
		{"CamerasRole", "s3:ListBucket", video, "-", true},
		{"CamerasRole", "s3:ListBucket", video, "cam/", true},
		{"CamerasRole", "s3:GetObject", key, "", false},
		{"CamerasRole", "dynamodb:GetItem", table, "", false},
		{"CamerasRole", "s3:ListBucket", site, "", false},

		{"DemositeRole", "s3:PutObject", site + "/demosite/index.html", "", true},
		{"DemositeRole", "s3:DeleteObject", site + "/demosite/index.html", "", true},
		{"DemositeRole", "s3:ListBucket", site, "", true},
		{"DemositeRole", "s3:PutObject", video + "/demo/2021/01/01/00/00/00.ts", "", true},
		{"DemositeRole", "iot:DescribeEndpoint", "*", "", true},
		{"DemositeRole", "s3:PutObject", key, "", false},
		{"DemositeRole", "s3:PutObject", video + "/demo2/2021/01/01/00/00/00.ts", "", false},
		{"DemositeRole", "s3:DeleteObject", video + "/demo/2021/01/01/00/00/00.ts", "", false},
		{"DemositeRole", "s3:GetObject", key, "", false},
		{"DemositeRole", "s3:ListBucket", video, "demo/", false},
		{"DemositeRole", "s3:DeleteBucket", site, "", false},
		{"DemositeRole", "iot:CreateThing", "*", "", false},
	}
	for _, role := range []string{"PlaylistRole", "ReplayRole"} {
		tests = append(tests,
			question{role, "s3:ListBucket", video, "cam/2026/11/25/", true},
			question{role, "s3:ListBucket", video, "cam/2026/11/25/09/", true},
			question{role, "s3:ListBucket", video, "site/floor/cam/2026/11/25/", true},
			question{role, "s3:ListBucket", video, "cam/1970/01/01/", true},
			question{role, "s3:ListBucket", video, "cam/", false},
			question{role, "s3:ListBucket", video, "cam/2026/", false},
			question{role, "s3:ListBucket", video, "cam/2026/11/", false},
			question{role, "s3:ListBucket", video, "", false},
			question{role, "s3:ListBucket", video, "-", false},
			question{role, "s3:ListBucket", site, "cam/2026/11/25/", false},
			question{role, "s3:GetObject", key, "", true},
			question{role, "s3:GetObject", video + "/cam/index.html", "", false},
			question{role, "s3:GetObject", site + "/demosite/config.json", "", false},
			question{role, "s3:PutObject", key, "", false},
			question{role, "s3:DeleteObject", key, "", false},
			question{role, "dynamodb:GetItem", table, "", true},
			question{role, "dynamodb:PutItem", table, "", true},
			question{role, "dynamodb:Scan", table, "", false},
			question{role, "dynamodb:DeleteItem", table, "", false},
			question{role, "dynamodb:GetItem", table + "2", "", false},
			question{role, "logs:CreateLogGroup", "*", "", false})
	}
	for partition := range partitions() {
		st := evaluate(t, partition, domains(partition)...)
		fill := strings.NewReplacer("PART", st.Partition, "REGION", st.Region)
		for _, q := range tests {
			p, err := st.Policy(q.role)
			if err != nil {
				t.Fatal(err)
			}
			r := cfntest.Request{Action: q.action, Resource: fill.Replace(q.resource), Context: map[string]string{"credentials-iot:ThingName": "cam", "aws:SecureTransport": "true"}}
			if q.prefix != "-" {
				r.Context["s3:prefix"] = q.prefix
			}
			want := cfntest.ImplicitDeny
			if q.yes {
				want = cfntest.Allow
			}
			if got := p.Decide(r); got != want {
				t.Errorf("%s: %s %s on %s, prefix %q: %v, want %v", partition, q.role, q.action, r.Resource, q.prefix, got, want)
			}
		}
	}
}

// A camera that does not tell its thing's name may write nowhere, not even where the variable's text would be.
func TestDeviceWithoutThingNameMayDoNothing(t *testing.T) {
	for partition := range partitions() {
		st := evaluate(t, partition)
		p, err := st.Policy("DeviceRole")
		if err != nil {
			t.Fatal(err)
		}
		for _, camera := range []string{"cam", "", "${credentials-iot:ThingName}"} {
			r := cfntest.Request{Action: "s3:PutObject", Resource: "arn:" + st.Partition + ":s3:::" + videoBucket + "/" + camera + "/2026/11/25/09/30/00.ts"}
			if got := p.Decide(r); got != cfntest.ImplicitDeny {
				t.Errorf("%s: %s: %v", partition, r.Resource, got)
			}
		}
	}
}

// Both buckets refuse whatever is not sent over TLS, whoever asks.
func TestBucketsRefusePlainHTTP(t *testing.T) {
	for partition := range partitions() {
		st := evaluate(t, partition, domains(partition)...)
		for id, bucket := range map[string]string{"VideoBucketPolicy": videoBucket, "WebsiteBucketPolicy": siteBucket} {
			p, err := st.Policy(id)
			if err != nil {
				t.Fatal(err)
			}
			for _, resource := range []string{bucket, bucket + "/a/b.ts"} {
				for secure, want := range map[string]bool{"false": true, "true": false} {
					r := cfntest.Request{Action: "s3:PutObject", Resource: "arn:" + st.Partition + ":s3:::" + resource, Context: map[string]string{"aws:SecureTransport": secure}}
					if got := p.Decide(r) == cfntest.ExplicitDeny; got != want {
						t.Errorf("%s: %s: TLS %s, %s: denied %v, want %v", partition, id, secure, resource, got, want)
					}
				}
			}
		}
	}
}
