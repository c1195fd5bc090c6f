// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/deploy/cloudformation"
	"github.com/s3cam/s3cam/test/aws/cfntest"
)

// partitions are the two templates, each with a region of its own.
func partitions() map[string]cfntest.Settings {
	return map[string]cfntest.Settings{"global": {Region: "eu-central-1"}, "china": {Region: "cn-northwest-1"}}
}

func isChina(partition string) bool { return partition == "china" }

func template(t *testing.T, partition string) *cfntest.Template {
	t.Helper()
	tp, err := cfntest.Parse(cloudformation.Template(isChina(partition)))
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

// evaluate works out the stack of a partition; pairs are names and values of parameters.
func evaluate(t *testing.T, partition string, pairs ...string) *cfntest.Stack {
	t.Helper()
	s := partitions()[partition]
	s.Parameters = map[string]string{"AssetsBucket": "assets"}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Parameters[pairs[i]] = pairs[i+1]
	}
	st, err := template(t, partition).Evaluate(s)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// domains are parameters with which a stack has everything that is optional.
func domains(partition string) []string {
	region, arn, site := "eu-central-1", "arn:aws:acm:", "arn:aws:acm:us-east-1:123456789012:certificate/site"
	if isChina(partition) {
		region, arn, site = "cn-northwest-1", "arn:aws-cn:acm:", "ASCAEXAMPLE123EXAMPLE"
	}
	return []string{"ApiDomainName", "api.example.com", "ApiCertificateArn", arn + region + ":123456789012:certificate/api", "HostedZoneId", "Z0123456789",
		"SiteDomainName", "video.example.com", "SiteCertificateId", site, "AuthIssuer", "https://login.example.com", "AuthAudience", "s3cam, viewers",
		"VideoRetentionDays", "7"}
}

func TestLinterFindsNothing(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		if lint, err = filepath.Abs("../../build/py/bin/cfn-lint"); err == nil {
			_, err = os.Stat(lint)
		}
	}
	if err != nil {
		t.Skip("SKIPPED: cfn-lint did not judge the templates because it is not here; scripts/deps.sh installs it")
	}
	for partition, regions := range map[string][]string{"global": {"us-east-1", "ap-southeast-2"}, "china": {"cn-north-1", "cn-northwest-1"}} {
		t.Run(partition, func(t *testing.T) {
			args := append([]string{"--include-checks", "I", "--regions"}, regions...)
			cmd := exec.Command(lint, append(args, "--template", "../../deploy/cloudformation/"+partition+".yaml")...)
			if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
				t.Errorf("%v: %v\n%s", cmd.Args, err, out)
			}
		})
	}
}

func TestParametersOfTheManual(t *testing.T) {
	want := map[string]string{"CacheDynamoDBTableName": "IPC-Cache", "IPCDemositeName": "IPC-Demosite", "IPCDemositeS3Path": "demosite/",
		"IPCPlaylistName": "IPC-Playlist", "IPCReplayName": "IPC-Replay", "ItemInPlaylist": "6", "M3U8TargetDuration": "9",
		"NearRealtimeReplayCachePeriod": "600", "NearRealtimeReplayPrecedingPeriod": "120", "S3VideoBucketName": "ipc-video-bucket",
		"S3WebsiteBucketName": "ipc-website-bucket", "TSClipDuration": "3",
		// Beyond the manual.
		"AssetsPrefix": "s3cam/v" + cloudformation.Release + "/", "VideoRetentionDays": "0", "LambdaArchitecture": "arm64",
		"ApiDomainName": "", "ApiCertificateArn": "", "HostedZoneId": "", "SiteDomainName": "", "SiteCertificateId": "", "AuthIssuer": "", "AuthAudience": "",
		"AnonymousAccess": "false", "PublicCameras": "demo", "TokenKeys": "",
		"ExistingVideoBucketName": "", "LogRetentionDays": "30", "IPCCamerasName": "IPC-Cameras", "LiveSegmentDelivery": "presign", "ReplaySegmentDelivery": "redirect"}
	for partition := range partitions() {
		t.Run(partition, func(t *testing.T) {
			want := maps.Clone(want)
			if isChina(partition) {
				want["LambdaArchitecture"] = "x86_64"
			}
			got := map[string]string{}
			for _, p := range template(t, partition).Parameters {
				if p.HasDefault {
					got[p.Name] = p.Default
				} else if p.Name != "AssetsBucket" {
					t.Errorf("%s has no default; only AssetsBucket needs a value", p.Name)
				}
				if p.Description == "" {
					t.Errorf("%s has no description", p.Name)
				}
				if p.Pattern != "" && p.Constraint == "" || p.Min != "" && p.Constraint == "" {
					t.Errorf("%s has bounds and no ConstraintDescription", p.Name)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("defaults\ngot  %v\nwant %v", got, want)
			}
		})
	}
}

// The form of the console shows each parameter once, under a label.
func TestConsoleForm(t *testing.T) {
	for partition := range partitions() {
		tp := template(t, partition)
		form, _ := tp.Metadata["AWS::CloudFormation::Interface"].(map[string]any)
		labels, _ := form["ParameterLabels"].(map[string]any)
		shown := map[string]int{}
		groups, _ := form["ParameterGroups"].([]any)
		for _, g := range groups {
			for _, name := range g.(map[string]any)["Parameters"].([]any) {
				shown[name.(string)]++
			}
		}
		for _, p := range tp.Parameters {
			if shown[p.Name] != 1 || labels[p.Name] == nil {
				t.Errorf("%s: %s is shown %d times, label %v", partition, p.Name, shown[p.Name], labels[p.Name])
			}
			delete(shown, p.Name)
			delete(labels, p.Name)
		}
		if len(shown)+len(labels) > 0 {
			t.Errorf("%s: the form shows %v and labels %v, which are no parameters", partition, shown, labels)
		}
	}
}

func TestParameterBounds(t *testing.T) {
	long := strings.Repeat("a", 300)
	tests := []struct {
		name       string
		good, bad  []string
		china      bool // in the China template; else in the other
		everywhere bool
	}{
		{name: "CacheDynamoDBTableName", good: []string{"a", "A.b_c-1"}, bad: []string{"", "a b", "a/b", long}, everywhere: true},
		{name: "IPCPlaylistName", good: []string{"a", strings.Repeat("n", 40)}, bad: []string{"", "a.b", strings.Repeat("n", 41)}, everywhere: true},
		{name: "IPCDemositeS3Path", good: []string{"", "demosite/", "a/b_c/d-1/"}, bad: []string{"/", "demosite", "/a/", "a//b/", "../", strings.Repeat("a/", 65)}, everywhere: true},
		{name: "ItemInPlaylist", good: []string{"3", "100"}, bad: []string{"2", "101", "x", ""}, everywhere: true},
		{name: "M3U8TargetDuration", good: []string{"1", "60"}, bad: []string{"0", "61"}, everywhere: true},
		{name: "NearRealtimeReplayCachePeriod", good: []string{"60", "900"}, bad: []string{"59", "901"}, everywhere: true},
		{name: "NearRealtimeReplayPrecedingPeriod", good: []string{"10", "3600"}, bad: []string{"9", "3601"}, everywhere: true},
		{name: "S3VideoBucketName", good: []string{"ab", "0-a", strings.Repeat("b", 25)}, bad: []string{"", "a", "A-b", "-ab", "a.b", strings.Repeat("b", 26)}, everywhere: true},
		{name: "TSClipDuration", good: []string{"1", "60"}, bad: []string{"0", "61"}, everywhere: true},
		{name: "AssetsBucket", good: []string{"my.assets-1"}, bad: []string{"", "s3://b", "ab", "B-c"}, everywhere: true},
		{name: "AssetsPrefix", good: []string{"", "s3cam/v1.0.0-rc.1+abc/"}, bad: []string{"/", "a", "a b/", "/a/"}, everywhere: true},
		{name: "VideoRetentionDays", good: []string{"0", "3650"}, bad: []string{"-1", "3651"}, everywhere: true},
		{name: "LambdaArchitecture", good: []string{"arm64", "x86_64"}, bad: []string{"amd64", ""}, everywhere: true},
		{name: "LogRetentionDays", good: []string{"1", "30", "3653"}, bad: []string{"0", "2", "31"}, everywhere: true},
		{name: "ApiDomainName", good: []string{"", "api.example.com"}, bad: []string{"example", "https://a.b", "A.b", "a..b", "-a.b", "a.b.", long}, everywhere: true},
		{name: "ApiCertificateArn", good: []string{"", "arn:aws:acm:eu-central-1:123456789012:certificate/0a-b", "arn:aws-cn:acm:cn-north-1:123456789012:certificate/0a-b"},
			bad: []string{"x", "arn:aws:iam::123456789012:server-certificate/a"}, everywhere: true},
		{name: "SiteCertificateId", good: []string{"", "arn:aws:acm:us-east-1:123456789012:certificate/0a-b"},
			bad: []string{"ASCAEXAMPLE123EXAMPLE", "arn:aws:acm:eu-central-1:123456789012:certificate/0a-b"}},
		{name: "SiteCertificateId", good: []string{"", "ASCAEXAMPLE123EXAMPLE"}, bad: []string{"arn:aws:acm:us-east-1:123456789012:certificate/0a-b"}, china: true},
		{name: "HostedZoneId", good: []string{"", "Z0123456789ABC"}, bad: []string{"/hostedzone/Z01", "z01"}, everywhere: true},
		{name: "AuthIssuer", good: []string{"", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_abc"}, bad: []string{"http://a.b", "a.b", "https://a b"}, everywhere: true},
		{name: "AnonymousAccess", good: []string{"true", "false"}, bad: []string{"", "yes"}, everywhere: true},
		{name: "PublicCameras", good: []string{"", "demo", "yard/*,front door,*"}, bad: []string{",", "a,", ",a", "a,,b", " a", "a ", "/a", "a/", "a, b"}, everywhere: true},
		{name: "TokenKeys", good: []string{"", "k1:" + strings.Repeat("A", 43) + "=", "k1:" + strings.Repeat("+", 43) + "=,k_2:" + strings.Repeat("-", 43)},
			bad: []string{"k1", "k1:", "k1:AAAA", "k.1:" + strings.Repeat("A", 43), "k1:" + strings.Repeat("A", 43) + ","}, everywhere: true},
		{name: "ExistingVideoBucketName", good: []string{"", "ipc-video-bucket-123456789012-0a1b2c3d"}, bad: []string{"B", "arn:aws:s3:::b", "a"}, everywhere: true},
		{name: "LiveSegmentDelivery", good: []string{"presign", "redirect"}, bad: []string{"direct", ""}, everywhere: true},
	}
	for partition := range partitions() {
		params := map[string]cfntest.Parameter{}
		for _, p := range template(t, partition).Parameters {
			params[p.Name] = p
		}
		for _, tt := range tests {
			if !tt.everywhere && tt.china != isChina(partition) {
				continue
			}
			p := params[tt.name]
			for _, v := range tt.good {
				if err := p.Check(v); err != nil {
					t.Errorf("%s: %v", partition, err)
				}
			}
			for _, v := range tt.bad {
				if p.Check(v) == nil {
					t.Errorf("%s: %s takes %q", partition, tt.name, v)
				}
			}
		}
	}
}

func TestParametersThatDoNotGoTogetherAreRefused(t *testing.T) {
	tests := []struct {
		name, partition, region string
		parameters              []string
		want                    string
	}{
		{"the global template in China", "global", "cn-north-1", nil, "This template is not for the regions of China. Use china.yaml."},
		{"the China template elsewhere", "china", "eu-central-1", nil, "This template is for cn-north-1 and cn-northwest-1 only. Use global.yaml."},
		{"a domain without certificate", "global", "", []string{"ApiDomainName", "api.example.com"}, "ApiDomainName needs ApiCertificateArn."},
		{"a zone without domain", "global", "", []string{"HostedZoneId", "Z01"}, "HostedZoneId is for the record of ApiDomainName, which is empty."},
		{"two functions of one name", "global", "", []string{"IPCCamerasName", "IPC-Replay"}, "IPCReplayName and IPCCamerasName must differ."},
		{"two buckets of one name", "china", "", []string{"S3WebsiteBucketName", "ipc-video-bucket"}, "S3VideoBucketName and S3WebsiteBucketName must differ."},
		{"a site's domain without certificate", "china", "", []string{"SiteDomainName", "v.example.cn"}, "SiteDomainName needs SiteCertificateId."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := partitions()[tt.partition]
			if tt.region != "" {
				s.Region = tt.region
			}
			s.Parameters = map[string]string{"AssetsBucket": "assets"}
			for i := 0; i+1 < len(tt.parameters); i += 2 {
				s.Parameters[tt.parameters[i]] = tt.parameters[i+1]
			}
			if _, err := template(t, tt.partition).Evaluate(s); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// No template may name a type that its partition lacks, whatever its condition.
func TestEachPartitionHasItsTypes(t *testing.T) {
	absent := []string{"AWS::CloudFront::OriginAccessControl", "AWS::CloudFront::Function", "AWS::CloudFront::KeyValueStore", "AWS::Lambda::Url"}
	tp := template(t, "china")
	for _, id := range tp.Resources() {
		if slices.Contains(absent, tp.Type(id)) {
			t.Errorf("china: %s is an %s, which China does not have", id, tp.Type(id))
		}
	}
	for partition, want := range map[string]string{"global": "Oac", "china": "Oai"} {
		tp := template(t, partition)
		for _, id := range []string{"Oac", "Oai"} {
			if has := tp.Type(id) != ""; has != (id == want) {
				t.Errorf("%s: %s present: %v", partition, id, has)
			}
		}
	}
}

// Nothing ties a template to a partition but the names of services.
func TestNoPartitionOrDomainIsWrittenOut(t *testing.T) {
	for partition := range partitions() {
		for i, line := range strings.Split(string(cloudformation.Template(isChina(partition))), "\n") {
			text := strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(text, "Service: ") || strings.HasPrefix(text, "Principal: "):
			case strings.Contains(text, "arn:aws"), strings.Contains(text, "amazonaws.com"):
				t.Errorf("%s.yaml:%d: %s", partition, i+1, text)
			}
		}
	}
}

func TestStackWithTheLongestNames(t *testing.T) {
	limits := map[string]int{"BucketName": 63, "FunctionName": 64, "RoleName": 64, "TableName": 255, "RoleAlias": 128, "PolicyName": 128, "LogGroupName": 512, "Name": 128}
	for partition, s := range partitions() {
		s.StackName = "s" + strings.Repeat("t", 127)
		s.Parameters = map[string]string{"AssetsBucket": "assets"}
		for _, p := range template(t, partition).Parameters {
			switch {
			case strings.HasPrefix(p.Name, "IPC") && strings.HasSuffix(p.Name, "Name"):
				s.Parameters[p.Name] = "F" + strings.Repeat("n", 38) + p.Name[3:4]
			case strings.HasPrefix(p.Name, "S3"):
				s.Parameters[p.Name] = strings.ToLower(p.Name[2:3]) + strings.Repeat("b", 24)
			case p.Name == "CacheDynamoDBTableName":
				s.Parameters[p.Name] = strings.Repeat("t", 200)
			}
		}
		st, err := template(t, partition).Evaluate(s)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]string{}
		for id, r := range st.Resources {
			if r.Type == "AWS::Lambda::Permission" { // it names the function that it is for
				continue
			}
			for property, limit := range limits {
				name := r.Text(property)
				if name == "" {
					continue
				}
				if len(name) > limit {
					t.Errorf("%s: %s.%s has %d characters, at most %d fit: %s", partition, id, property, len(name), limit, name)
				}
				if other := seen[r.Type+name]; other != "" && property != "Name" {
					t.Errorf("%s: %s and %s are both called %s", partition, id, other, name)
				}
				seen[r.Type+name] = id
			}
		}
		if got := st.Resources["Oac"].Text("OriginAccessControlConfig.Name"); len(got) > 64 {
			t.Errorf("%s: the name of the origin access control has %d characters", partition, len(got))
		}
	}
}

// A stack that is made again finds what the last one left and makes everything under other names.
func TestNamesDifferFromStackToStack(t *testing.T) {
	for partition, s := range partitions() {
		names := map[string]bool{}
		for _, uuid := range []string{"11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"} {
			s.StackUUID = uuid
			s.Parameters = map[string]string{"AssetsBucket": "assets"}
			st, err := template(t, partition).Evaluate(s)
			if err != nil {
				t.Fatal(err)
			}
			for id, r := range st.Resources {
				if r.Type == "AWS::Lambda::Permission" {
					continue
				}
				for _, property := range []string{"BucketName", "FunctionName", "RoleName", "TableName", "RoleAlias", "LogGroupName"} {
					name := r.Text(property)
					if name != "" && !strings.HasSuffix(name, "-"+uuid[:8]) {
						t.Errorf("%s: %s is called %q, want the id of the stack at its end", partition, id, name)
					}
					if name != "" && names[r.Type+name] {
						t.Errorf("%s: %s is called %q in both stacks", partition, id, name)
					}
					names[r.Type+name] = true
				}
			}
		}
	}
}

func TestOutputs(t *testing.T) {
	base := map[string]string{"VideoBucketName": "ipc-video-bucket-123456789012-0a1b2c3d", "IoTCredentialEndpoint": "<Demosite.CredentialEndpoint>",
		"DeviceRoleAliasName": "s3cam-device-0a1b2c3d", "DeviceIotPolicyName": "s3cam-device-0a1b2c3d", "WebsiteBucketName": "ipc-website-bucket-123456789012-0a1b2c3d",
		"CacheTableName": "IPC-Cache-0a1b2c3d", "PlaylistFunctionName": "IPC-Playlist-0a1b2c3d", "ReplayFunctionName": "IPC-Replay-0a1b2c3d",
		"CamerasFunctionName": "IPC-Cameras-0a1b2c3d", "DemositeFunctionName": "IPC-Demosite-0a1b2c3d"}
	const replay = "#/play/demo/2021-01-01%2000:00:00"
	api := func(base string) map[string]string {
		return map[string]string{"ApiEndpoint": base, "ApiGatewayNearRealtimePlaylistRoute": base + "/playlist.m3u8", "ApiGatewayReplayPlaylistRoute": base + "/replay.m3u8"}
	}
	own := api("https://api.example.com")
	maps.Copy(own, map[string]string{"ApiDomainTarget": "<ApiDomain.RegionalDomainName>", "SiteDomainTarget": "<Distribution.DomainName>",
		"SiteUrl": "https://video.example.com/", "DemoReplayUrl": "https://video.example.com/" + replay})
	global := api("https://<HttpApi>.execute-api.eu-central-1.amazonaws.com")
	maps.Copy(global, map[string]string{"SiteUrl": "https://<Distribution.DomainName>/", "DemoReplayUrl": "https://<Distribution.DomainName>/" + replay})
	const china = "https://<HttpApi>.execute-api.cn-northwest-1.amazonaws.com.cn"
	inChina := api(china)
	inChina["DemoReplayUrl"] = china + "/replay.m3u8?camera_id=demo&start=2021-01-01%2000:00:00&end=2021-01-01%2000:01:00"

	tests := []struct {
		name, partition string
		parameters      []string
		want            map[string]string
	}{
		{"global without domains", "global", nil, global},
		{"global with domains", "global", domains("global"), own},
		{"China without domains has no site", "china", nil, inChina},
		{"China with domains", "china", domains("china"), own},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := maps.Clone(base)
			maps.Copy(want, tt.want)
			want["Region"] = partitions()[tt.partition].Region
			got := evaluate(t, tt.partition, tt.parameters...).Outputs
			for _, name := range slices.Sorted(maps.Keys(want)) {
				if got[name] != want[name] {
					t.Errorf("%s: got %q, want %q", name, got[name], want[name])
				}
			}
			for name := range got {
				if _, ok := want[name]; !ok {
					t.Errorf("there is an output %s = %q that nobody expects", name, got[name])
				}
			}
		})
	}
}

// A stack that records into a bucket of an earlier one makes neither bucket nor policy, and all roles speak of that bucket.
func TestExistingVideoBucketIsAdopted(t *testing.T) {
	for partition := range partitions() {
		st := evaluate(t, partition, "ExistingVideoBucketName", "kept-bucket")
		if st.Resources["S3VideoBucket"] != nil || st.Resources["VideoBucketPolicy"] != nil {
			t.Errorf("%s: the stack makes a bucket of its own", partition)
		}
		if got := st.Outputs["VideoBucketName"]; got != "kept-bucket" {
			t.Errorf("%s: output VideoBucketName is %q", partition, got)
		}
		for _, f := range []string{"PlaylistFunction", "ReplayFunction", "CamerasFunction"} {
			if got := st.Environment(f)["S3CAM_BUCKET"]; got != "kept-bucket" {
				t.Errorf("%s: %s uses bucket %q", partition, f, got)
			}
		}
		if got := st.Resources["Demosite"].Text("VideoBucket"); got != "kept-bucket" {
			t.Errorf("%s: the demo goes to %q", partition, got)
		}
		for _, role := range []string{"PlaylistRole", "ReplayRole", "CamerasRole", "DemositeRole", "DeviceRole"} {
			if text := fmt.Sprint(st.Resources[role].Properties); !strings.Contains(text, ":s3:::kept-bucket") || strings.Contains(text, "ipc-video-bucket") {
				t.Errorf("%s: %s: %s", partition, role, text)
			}
		}
	}
}
