// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/test/aws/cfntest"
)

// Which resources there are: the same in both partitions but for what has a condition.
func TestResources(t *testing.T) {
	always := []string{"CacheTable", "CamerasFunction", "CamerasIntegration", "CamerasLogs", "CamerasPermission", "CamerasRole", "CoveragePermission",
		"Demosite", "DemositeFunction", "DemositeLogs", "DemositeRole", "DeviceIotPolicy", "DeviceRole", "DeviceRoleAlias",
		"CamerasGetRoute", "CoverageGetRoute", "PlaylistGetRoute", "ReplayGetRoute", "SegmentsGetRoute",
		"CamerasHeadRoute", "CoverageHeadRoute", "PlaylistHeadRoute", "ReplayHeadRoute", "SegmentsHeadRoute", "HttpApi",
		"PlaylistFunction", "PlaylistIntegration", "PlaylistLogs", "PlaylistPermission", "PlaylistRole",
		"ReplayFunction", "ReplayIntegration", "ReplayLogs", "ReplayPermission", "ReplayRole", "S3VideoBucket", "SegmentsPermission", "Stage",
		"VideoBucketPolicy", "WebsiteBucket", "WebsiteBucketPolicy"}
	tests := []struct {
		name, partition string
		parameters      []string
		more            []string
	}{
		{"global", "global", nil, []string{"Distribution", "Oac"}},
		{"global with everything", "global", domains("global"), []string{"ApiDns", "ApiDomain", "ApiMapping", "Distribution", "JwtAuthorizer", "Oac"}},
		{"China", "china", nil, nil},
		{"China with everything", "china", domains("china"), []string{"ApiDns", "ApiDomain", "ApiMapping", "Distribution", "JwtAuthorizer", "Oai"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := slices.Sorted(slices.Values(append(slices.Clone(always), tt.more...)))
			if got := slices.Sorted(maps.Keys(evaluate(t, tt.partition, tt.parameters...).Resources)); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestRoutesLeadToFunctionsThatMayBeCalled(t *testing.T) {
	leads := map[string]string{"/playlist.m3u8": "PlaylistFunction", "/replay.m3u8": "ReplayFunction", "/segments/{proxy+}": "ReplayFunction",
		"/cameras": "CamerasFunction", "/coverage": "CamerasFunction"}
	timeouts := map[string]time.Duration{"PlaylistFunction": 25 * time.Second, "ReplayFunction": 30 * time.Second, "CamerasFunction": 30 * time.Second}
	for partition := range partitions() {
		for auth, parameters := range map[string][]string{"NONE": nil, "JWT": domains(partition)} {
			st := evaluate(t, partition, parameters...)
			var want []cfntest.Route
			for _, method := range []string{"GET", "HEAD"} {
				for path, f := range leads {
					want = append(want, cfntest.Route{Key: method + " " + path, Function: f, Timeout: timeouts[f], Auth: auth})
				}
			}
			slices.SortFunc(want, func(a, b cfntest.Route) int { return strings.Compare(a.Key, b.Key) })
			got, err := st.Routes()
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s:\ngot  %v\nwant %v", partition, auth, got, want)
			}
			for _, r := range got {
				method, path, _ := strings.Cut(r.Key, " ")
				source := "arn:" + st.Partition + ":execute-api:" + st.Region + ":" + st.AccountID + ":<HttpApi>/$default/" + method + path
				if !permitted(st, r.Function, source) {
					t.Errorf("%s: API Gateway may not call %s for %s", partition, r.Function, r.Key)
				}
				for _, other := range []string{"PlaylistFunction", "ReplayFunction", "CamerasFunction", "DemositeFunction"} {
					if other != r.Function && permitted(st, other, source) {
						t.Errorf("%s: API Gateway may call %s for %s", partition, other, r.Key)
					}
				}
				if foreign := strings.Replace(source, "<HttpApi>", "other", 1); permitted(st, r.Function, foreign) {
					t.Errorf("%s: another API may call %s", partition, r.Function)
				}
			}
			for id, r := range st.Resources {
				if r.Type == "AWS::ApiGatewayV2::Route" && (r.Text("AuthorizerId") == "<JwtAuthorizer>") != (auth == "JWT") {
					t.Errorf("%s: %s has authorizer %q with %s", partition, id, r.Text("AuthorizerId"), auth)
				}
			}
		}
	}
}

// permitted tells whether API Gateway may call the function for a request with this ARN.
func permitted(st *cfntest.Stack, function, source string) bool {
	var p cfntest.Policy
	for _, r := range st.Resources {
		if r.Type == "AWS::Lambda::Permission" && r.Text("FunctionName") == st.Resources[function].Text("FunctionName") && r.Text("Principal") == "apigateway.amazonaws.com" {
			p = append(p, cfntest.Statement{Allow: true, Actions: []string{r.Text("Action")}, Resources: []string{"*"},
				Condition: []cfntest.Condition{{Operator: "ArnLike", Key: "AWS:SourceArn", Values: []string{r.Text("SourceArn")}}}})
		}
	}
	return p.Decide(cfntest.Request{Action: "lambda:InvokeFunction", Resource: "*", Context: map[string]string{"aws:SourceArn": source}}) == cfntest.Allow
}

// Only video outlives the stack, and every bucket is private.
func TestWhatOutlivesTheStack(t *testing.T) {
	for partition := range partitions() {
		st := evaluate(t, partition, domains(partition)...)
		for id, r := range st.Resources {
			deletion, replace := "", ""
			switch {
			case id == "S3VideoBucket" || id == "VideoBucketPolicy":
				deletion, replace = "RetainExceptOnCreate", "Retain"
			case slices.Contains([]string{"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup"}, r.Type):
				deletion, replace = "Delete", "Delete"
			}
			if r.DeletionPolicy != deletion || r.UpdateReplacePolicy != replace {
				t.Errorf("%s: %s: deletion %q, replacement %q; want %q, %q", partition, id, r.DeletionPolicy, r.UpdateReplacePolicy, deletion, replace)
			}
			if r.Type != "AWS::S3::Bucket" {
				continue
			}
			private := map[string]any{"BlockPublicAcls": "true", "BlockPublicPolicy": "true", "IgnorePublicAcls": "true", "RestrictPublicBuckets": "true"}
			if got := r.Get("PublicAccessBlockConfiguration"); !reflect.DeepEqual(got, private) {
				t.Errorf("%s: %s: public access: %v", partition, id, got)
			}
			if got := r.Text("OwnershipControls.Rules.0.ObjectOwnership"); got != "BucketOwnerEnforced" {
				t.Errorf("%s: %s: ownership %q", partition, id, got)
			}
			if got := r.Text("BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm"); got != "AES256" {
				t.Errorf("%s: %s: encryption %q", partition, id, got)
			}
		}
	}
}

func TestVideoIsDeletedOnlyWhenAsked(t *testing.T) {
	for partition := range partitions() {
		abort := map[string]any{"Id": "incomplete-uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": map[string]any{"DaysAfterInitiation": "1"}}
		for days, want := range map[string][]any{"0": {abort}, "30": {abort, map[string]any{"Id": "retention", "Status": "Enabled", "ExpirationInDays": "30"}}} {
			st := evaluate(t, partition, "VideoRetentionDays", days)
			if got := st.Resources["S3VideoBucket"].Get("LifecycleConfiguration.Rules"); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s days:\ngot  %v\nwant %v", partition, days, got, want)
			}
			if got := st.Environment("ReplayFunction")["VIDEO_RETENTION_DAYS"]; got != days {
				t.Errorf("%s: the functions are told %q days, want %s", partition, got, days)
			}
		}
		cors := map[string]any{"AllowedMethods": []any{"GET", "HEAD"}, "AllowedOrigins": []any{"*"}, "AllowedHeaders": []any{"*"},
			"ExposedHeaders": []any{"ETag", "Content-Length", "Content-Range", "Date"}, "MaxAge": "86400"}
		if got := evaluate(t, partition).Resources["S3VideoBucket"].Get("CorsConfiguration.CorsRules"); !reflect.DeepEqual(got, []any{cors}) {
			t.Errorf("%s: CORS %v", partition, got)
		}
	}
}

func TestFunctions(t *testing.T) {
	secret := strings.Repeat("A", 43) + "="
	playback := map[string]string{"S3CAM_BUCKET": "ipc-video-bucket-123456789012-0a1b2c3d", "S3CAM_CACHE_TABLE": "IPC-Cache-0a1b2c3d", "ITEM_IN_PLAYLIST": "8",
		"M3U8_TARGET_DURATION": "10", "NEAR_REALTIME_REPLAY_CACHE_PERIOD": "300", "NEAR_REALTIME_REPLAY_PRECEDING_PERIOD": "60", "TS_CLIP_DURATION": "4",
		"VIDEO_RETENTION_DAYS": "30", "S3CAM_LIVE_DELIVERY": "redirect", "S3CAM_REPLAY_DELIVERY": "presign",
		"S3CAM_TOKEN_KEYS": "k:" + secret, "S3CAM_PUBLIC_CAMERAS": "lobby,yard/*", "S3CAM_ANONYMOUS": "false"}
	tests := []struct {
		id, function, name string
		memory, timeout    int
	}{
		{"Playlist", "playlist", "IPC-Playlist-0a1b2c3d", 512, 20},
		{"Replay", "replay", "IPC-Replay-0a1b2c3d", 1024, 28},
		{"Cameras", "cameras", "IPC-Cameras-0a1b2c3d", 512, 28},
		{"Demosite", "demosite", "IPC-Demosite-0a1b2c3d", 512, 270},
	}
	for partition := range partitions() {
		st := evaluate(t, partition, "ItemInPlaylist", "8", "M3U8TargetDuration", "10", "NearRealtimeReplayCachePeriod", "300", "NearRealtimeReplayPrecedingPeriod", "60",
			"TSClipDuration", "4", "VideoRetentionDays", "30", "LiveSegmentDelivery", "redirect", "ReplaySegmentDelivery", "presign", "AssetsPrefix", "p/q/", "LogRetentionDays", "7",
			"TokenKeys", "k:"+secret, "PublicCameras", "lobby,yard/*")
		arch := "arm64"
		if isChina(partition) {
			arch = "x86_64"
		}
		for _, tt := range tests {
			f := st.Resources[tt.id+"Function"]
			want := map[string]any{"FunctionName": tt.name, "Description": f.Text("Description"), "Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures": []any{arch},
				"Code": map[string]any{"S3Bucket": "assets", "S3Key": "p/q/s3cam-lambda-" + arch + ".zip"}, "Role": "arn:" + st.Partition + ":iam::123456789012:role/" + tt.name,
				"MemorySize": strconv.Itoa(tt.memory), "Timeout": strconv.Itoa(tt.timeout), "LoggingConfig": map[string]any{"LogFormat": "JSON", "LogGroup": "/aws/lambda/" + tt.name},
				"Environment": f.Get("Environment")}
			if !reflect.DeepEqual(f.Properties, want) {
				t.Errorf("%s: %s\ngot  %v\nwant %v", partition, f.ID, f.Properties, want)
			}
			env := map[string]string{"S3CAM_FUNCTION": tt.function}
			if tt.function != "demosite" {
				maps.Copy(env, playback)
			}
			if got := st.Environment(f.ID); !reflect.DeepEqual(got, env) {
				t.Errorf("%s: environment of %s\ngot  %v\nwant %v", partition, f.ID, got, env)
			}
			if logs := st.Resources[tt.id+"Logs"]; logs.Text("LogGroupName") != "/aws/lambda/"+tt.name || logs.Text("RetentionInDays") != "7" {
				t.Errorf("%s: %v", partition, logs.Properties)
			}
		}
		// A function that runs longer than its integration waits answers nobody.
		routes, err := st.Routes()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if s, _ := strconv.Atoi(st.Resources[r.Function].Text("Timeout")); time.Duration(s)*time.Second >= r.Timeout {
				t.Errorf("%s: %s may run %d s, but %s waits %v", partition, r.Function, s, r.Key, r.Timeout)
			}
		}
	}
}

func TestCacheTable(t *testing.T) {
	for partition := range partitions() {
		want := map[string]any{"TableName": "IPC-Cache-0a1b2c3d", "BillingMode": "PAY_PER_REQUEST",
			"AttributeDefinitions":    []any{map[string]any{"AttributeName": "pk", "AttributeType": "S"}},
			"KeySchema":               []any{map[string]any{"AttributeName": "pk", "KeyType": "HASH"}},
			"TimeToLiveSpecification": map[string]any{"AttributeName": "expires_at", "Enabled": "true"}}
		if got := evaluate(t, partition).Resources["CacheTable"].Properties; !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %v\nwant %v", partition, got, want)
		}
	}
}

func TestAPI(t *testing.T) {
	for partition := range partitions() {
		st := evaluate(t, partition, domains(partition)...)
		cors := map[string]any{"AllowOrigins": []any{"*"}, "AllowMethods": []any{"GET", "HEAD", "OPTIONS"},
			"AllowHeaders": []any{"authorization", "if-none-match", "range"}, "ExposeHeaders": []any{"date", "etag"}, "MaxAge": "86400"}
		if got := st.Resources["HttpApi"].Get("CorsConfiguration"); !reflect.DeepEqual(got, cors) {
			t.Errorf("%s: CORS %v", partition, got)
		}
		stage := map[string]any{"ApiId": "<HttpApi>", "StageName": "$default", "AutoDeploy": "true",
			"DefaultRouteSettings": map[string]any{"ThrottlingBurstLimit": "100", "ThrottlingRateLimit": "200"}}
		if got := st.Resources["Stage"].Properties; !reflect.DeepEqual(got, stage) {
			t.Errorf("%s: stage %v", partition, got)
		}
		jwt := map[string]any{"ApiId": "<HttpApi>", "Name": "jwt", "AuthorizerType": "JWT", "IdentitySource": []any{"$request.header.Authorization"},
			"JwtConfiguration": map[string]any{"Issuer": "https://login.example.com", "Audience": []any{"s3cam", "viewers"}}}
		if got := st.Resources["JwtAuthorizer"].Properties; !reflect.DeepEqual(got, jwt) {
			t.Errorf("%s: authorizer %v", partition, got)
		}
		domain := st.Resources["ApiDomain"]
		if got := domain.Get("DomainNameConfigurations"); domain.Text("DomainName") != "api.example.com" || !reflect.DeepEqual(got, []any{map[string]any{
			"EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2", "CertificateArn": domains(partition)[3]}}) {
			t.Errorf("%s: domain %v", partition, domain.Properties)
		}
		if got, want := st.Resources["ApiMapping"].Properties, (map[string]any{"ApiId": "<HttpApi>", "DomainName": "api.example.com", "Stage": "$default"}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: mapping %v", partition, got)
		}
		dns := map[string]any{"HostedZoneId": "Z0123456789", "Name": "api.example.com", "Type": "A",
			"AliasTarget": map[string]any{"DNSName": "<ApiDomain.RegionalDomainName>", "HostedZoneId": "<ApiDomain.RegionalHostedZoneId>"}}
		if got := st.Resources["ApiDns"].Properties; !reflect.DeepEqual(got, dns) {
			t.Errorf("%s: record %v", partition, got)
		}
		if got := st.Resources["Demosite"].Text("ApiEndpoint"); got != "https://api.example.com" {
			t.Errorf("%s: the web site asks %q", partition, got)
		}
	}
}

func TestWebSite(t *testing.T) {
	const origin = "DistributionConfig.Origins.0."
	for path, want := range map[string]string{"demosite/": "/demosite", "": "", "a/b/c/": "/a/b/c"} {
		for partition := range partitions() {
			st := evaluate(t, partition, append(domains(partition), "IPCDemositeS3Path", path)...)
			if got := st.Resources["Distribution"].Text(origin + "OriginPath"); got != want {
				t.Errorf("%s: path %q is origin path %q, want %q", partition, path, got, want)
			}
			if got := st.Resources["Demosite"].Text("Path"); got != path {
				t.Errorf("%s: the site is installed at %q, want %q", partition, got, path)
			}
		}
	}

	certificate := func(st *cfntest.Stack) any {
		return st.Resources["Distribution"].Get("DistributionConfig.ViewerCertificate")
	}
	st := evaluate(t, "global")
	d := st.Resources["Distribution"]
	if got := certificate(st); !reflect.DeepEqual(got, map[string]any{"CloudFrontDefaultCertificate": "true"}) || d.Get("DistributionConfig.Aliases") != nil {
		t.Errorf("global without domain: certificate %v, names %v", got, d.Get("DistributionConfig.Aliases"))
	}
	if got := d.Text(origin + "OriginAccessControlId"); got != "<Oac.Id>" || d.Text(origin+"S3OriginConfig.OriginAccessIdentity") != "" {
		t.Errorf("global: origin access %q", got)
	}
	if got := d.Text(origin + "DomainName"); got != "ipc-website-bucket-123456789012-0a1b2c3d.s3.eu-central-1.amazonaws.com" {
		t.Errorf("global: origin %q", got)
	}
	if got := d.Text("DistributionConfig.DefaultCacheBehavior.ViewerProtocolPolicy"); got != "redirect-to-https" {
		t.Errorf("global: protocol policy %q", got)
	}
	st = evaluate(t, "global", domains("global")...)
	if got := certificate(st); !reflect.DeepEqual(got, map[string]any{"AcmCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/site",
		"SslSupportMethod": "sni-only", "MinimumProtocolVersion": "TLSv1.2_2021"}) {
		t.Errorf("global with domain: certificate %v", got)
	}
	st = evaluate(t, "china", domains("china")...)
	d = st.Resources["Distribution"]
	if got := certificate(st); !reflect.DeepEqual(got, map[string]any{"IamCertificateId": "ASCAEXAMPLE123EXAMPLE", "SslSupportMethod": "sni-only", "MinimumProtocolVersion": "TLSv1.2_2018"}) {
		t.Errorf("China with domain: certificate %v", got)
	}
	if got := d.Text(origin + "S3OriginConfig.OriginAccessIdentity"); got != "origin-access-identity/cloudfront/<Oai>" || d.Get(origin+"OriginAccessControlId") != nil {
		t.Errorf("China: origin access %q", got)
	}
	behaviour := d.Get("DistributionConfig.DefaultCacheBehavior").(map[string]any)
	if behaviour["CachePolicyId"] != nil || behaviour["ResponseHeadersPolicyId"] != nil || !reflect.DeepEqual(behaviour["ForwardedValues"], map[string]any{"QueryString": "false"}) {
		t.Errorf("China: %v", behaviour)
	}
	// CloudFront's own certificate does not serve in China: without a domain there is no site.
	if text := fmt.Sprint(template(t, "china").Raw("Distribution")); strings.Contains(text, "CloudFrontDefaultCertificate") {
		t.Error("China: the distribution may fall back to CloudFront's certificate")
	}
	if got := evaluate(t, "china").Resources["Demosite"].Text("WebsiteBucket"); got != "" {
		t.Errorf("China without domain: the site is installed into %q", got)
	}
}

func TestInstallerOfTheSite(t *testing.T) {
	for partition := range partitions() {
		st := evaluate(t, partition, append(domains(partition), "AssetsPrefix", "s3cam/v9/")...)
		want := map[string]any{"ServiceToken": "arn:" + st.Partition + ":lambda:" + st.Region + ":123456789012:function:IPC-Demosite-0a1b2c3d", "ServiceTimeout": "300",
			"Release": "s3cam/v9/", "WebsiteBucket": "ipc-website-bucket-123456789012-0a1b2c3d", "Path": "demosite/", "VideoBucket": "ipc-video-bucket-123456789012-0a1b2c3d",
			"DemoPrefix": "demo", "ApiEndpoint": "https://api.example.com"}
		d := st.Resources["Demosite"]
		if !reflect.DeepEqual(d.Properties, want) {
			t.Errorf("%s:\ngot  %v\nwant %v", partition, d.Properties, want)
		}
		for _, need := range []string{"DemositeFunction", "S3VideoBucket", "WebsiteBucket", "WebsiteBucketPolicy"} {
			if !slices.Contains(d.Needs, need) {
				t.Errorf("%s: Demosite does not wait for %s", partition, need)
			}
		}
	}
}

// What cfn-lint lets pass though AWS would refuse it (found with deliberate mistakes).
func TestValuesThatTheLinterDoesNotKnow(t *testing.T) {
	allowed := map[string][]string{
		"AWS::ApiGatewayV2::Integration.IntegrationType":                                 {"AWS_PROXY"},
		"AWS::ApiGatewayV2::Integration.PayloadFormatVersion":                            {"2.0"},
		"AWS::ApiGatewayV2::Stage.StageName":                                             {"$default"},
		"AWS::ApiGatewayV2::Route.AuthorizationType":                                     {"NONE", "JWT"},
		"AWS::DynamoDB::Table.BillingMode":                                               {"PAY_PER_REQUEST"},
		"AWS::Lambda::Function.Runtime":                                                  {"provided.al2023"},
		"AWS::Lambda::Function.LoggingConfig.LogFormat":                                  {"JSON"},
		"AWS::Lambda::Permission.Action":                                                 {"lambda:InvokeFunction"},
		"AWS::CloudFront::OriginAccessControl.OriginAccessControlConfig.SigningBehavior": {"always"},
		"AWS::CloudFront::Distribution.DistributionConfig.PriceClass":                    {"PriceClass_100", "PriceClass_All"},
		"AWS::CloudFront::Distribution.DistributionConfig.HttpVersion":                   {"http1.1", "http2and3"},
	}
	for partition := range partitions() {
		st := evaluate(t, partition, domains(partition)...)
		for id, r := range st.Resources {
			for path, values := range allowed {
				if property, ok := strings.CutPrefix(path, r.Type+"."); ok && !slices.Contains(values, r.Text(property)) {
					t.Errorf("%s: %s.%s is %q, want one of %q", partition, id, property, r.Text(property), values)
				}
			}
			switch r.Type {
			case "AWS::ApiGatewayV2::Route":
				method, path, ok := strings.Cut(r.Text("RouteKey"), " ")
				if !ok || !slices.Contains([]string{"GET", "HEAD"}, method) || !strings.HasPrefix(path, "/") {
					t.Errorf("%s: %s has route key %q", partition, id, r.Text("RouteKey"))
				}
			case "AWS::ApiGatewayV2::Integration":
				if ms, err := strconv.Atoi(r.Text("TimeoutInMillis")); err != nil || ms < 50 || ms > 30000 {
					t.Errorf("%s: %s waits %q ms, API Gateway takes 50 to 30000", partition, id, r.Text("TimeoutInMillis"))
				}
			case "AWS::Lambda::Function":
				if s, err := strconv.Atoi(r.Text("Timeout")); err != nil || s < 1 || s > 900 {
					t.Errorf("%s: %s may run %q s", partition, id, r.Text("Timeout"))
				}
			case "AWS::IoT::RoleAlias":
				life, err := strconv.Atoi(r.Text("CredentialDurationSeconds"))
				longest, err2 := strconv.Atoi(st.Resources["DeviceRole"].Text("MaxSessionDuration"))
				if err != nil || err2 != nil || life < 900 || life > longest || longest > 43200 {
					t.Errorf("%s: credentials live %d s, the role allows %d", partition, life, longest)
				}
			}
		}
	}
}
