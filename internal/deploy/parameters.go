// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
)

// spellings are the names that the deployment manual's forms and prose use for some of its parameters; case is ignored
// anyway.
func spellings() map[string]string {
	return map[string]string{
		"cachedynamodbtable": "CacheDynamoDBTableName", // table and prose
		"itemsinplaylist":    "ItemInPlaylist",
		"s3videobucket":      "S3VideoBucketName",
		"s3websitebucket":    "S3WebsiteBucketName",
		"ipcdemositepath":    "IPCDemositeS3Path",
		"demosites3path":     "IPCDemositeS3Path",
	}
}

// Canonical finds the parameter that a name means: the name itself in any case, with - or _ in it, or another spelling of
// the deployment manual. ok is false when there is none; near is then the most similar name, or "".
func (t *Template) Canonical(name string) (canonical string, ok bool, near string) {
	names := make([]string, 0, len(t.Parameters))
	for i := range t.Parameters {
		names = append(names, t.Parameters[i].Name)
	}
	if slices.Contains(names, name) {
		return name, true, ""
	}
	plain := plainName(name)
	for _, n := range names {
		if plainName(n) == plain {
			return n, true, ""
		}
	}
	if n := spellings()[plain]; n != "" && slices.Contains(names, n) {
		return n, true, ""
	}
	return "", false, nearest(name, names)
}

// plainName is a name without what people write differently.
func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
}

// inSeconds are the parameters that count seconds; values like 3s and 2m are taken for them too.
func inSeconds(name string) bool {
	switch name {
	case "M3U8TargetDuration", "NearRealtimeReplayCachePeriod", "NearRealtimeReplayPrecedingPeriod", "TSClipDuration":
		return true
	}
	return false
}

// parameters checks what was given against the template's rules and returns it under the canonical names. All that is wrong
// is reported at once.
func (d *Deployer) parameters(t *Template, given map[string]string) (map[string]string, error) {
	values := map[string]string{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		canonical, ok, near := t.Canonical(name)
		if !ok {
			hint := "the parameters are listed in docs/ref/aws.md"
			if near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			errs = append(errs, settings(hint, "there is no parameter %q", name))
			continue
		}
		if canonical != name {
			d.say(Note, "parameter %s is called %s here", name, canonical)
		}
		if inSeconds(canonical) {
			if p, err := time.ParseDuration(value); err == nil && p%time.Second == 0 {
				value = strconv.Itoa(int(p / time.Second))
			}
		}
		if was, twice := values[canonical]; twice && was != value {
			if t.parameter(canonical).secret {
				was, value = "****", "****"
			}
			errs = append(errs, settings("give it once", "parameter %s is given as %q and as %q", canonical, was, value))
			continue
		}
		if err := t.parameter(canonical).Check(value); err != nil {
			errs = append(errs, err)
			continue
		}
		values[canonical] = value
	}
	return values, join(errs)
}

// join makes one error of several, a line each; the hints are kept.
func join(errs []error) error {
	if len(errs) < 2 {
		return errors.Join(errs...)
	}
	var texts, hints []string
	for _, err := range errs {
		texts = append(texts, err.Error())
		if advice := hint.Of(err); advice != "" && !slices.Contains(hints, advice) {
			hints = append(hints, advice)
		}
	}
	return settings(strings.Join(hints, "\n      "), "%s", strings.Join(texts, "\n       "))
}

// together checks what no single rule says: values that do not fit to each other, to the region or to the account.
// all has every parameter's value, also the defaults and what the stack has already.
func (d *Deployer) together(all map[string]string) error {
	var errs []error
	bad := func(hint, format string, args ...any) { errs = append(errs, settings(hint, format, args...)) }
	number := func(name string) float64 { f, _ := strconv.ParseFloat(all[name], 64); return f }
	if clip, target := number("TSClipDuration"), number("M3U8TargetDuration"); clip > target && target > 0 {
		bad("make M3U8TargetDuration at least as long as a segment", "M3U8TargetDuration %v is shorter than TSClipDuration %v", target, clip)
	}
	if clip, back := number("TSClipDuration"), number("NearRealtimeReplayPrecedingPeriod"); clip > 0 && back > 0 && back < 2*clip {
		bad("make it at least two segments, better 120", "NearRealtimeReplayPrecedingPeriod %v is shorter than two segments of %v s: the live view would find nothing", back, clip)
	}
	needs := func(name, other string) {
		if all[name] != "" && all[other] == "" {
			bad("give both or neither", "%s needs %s", name, other)
		}
	}
	needs("ApiDomainName", "ApiCertificateArn")
	needs("ApiCertificateArn", "ApiDomainName")
	needs("HostedZoneId", "ApiDomainName")
	needs("SiteDomainName", "SiteCertificateId")
	needs("SiteCertificateId", "SiteDomainName")
	needs("AuthIssuer", "AuthAudience")
	needs("AuthAudience", "AuthIssuer")
	if arn := all["ApiCertificateArn"]; arn != "" {
		if f := strings.Split(arn, ":"); len(f) < 6 || f[2] != "acm" || f[3] != d.cfg.Region {
			bad("request the certificate in ACM in "+d.cfg.Region, "ApiCertificateArn %q is no ACM certificate of region %s", arn, d.cfg.Region)
		}
	}
	if id := all["SiteCertificateId"]; id != "" {
		switch arn := strings.HasPrefix(id, "arn:"); {
		case d.china && arn:
			bad("upload the certificate with aws iam upload-server-certificate --path /cloudfront/ and give the ServerCertificateId", "SiteCertificateId %q: CloudFront in China takes no ACM certificate, only an IAM server certificate", id)
		case !d.china && !(arn && strings.HasPrefix(id, "arn:aws:acm:us-east-1:")):
			bad("request the certificate in ACM in us-east-1", "SiteCertificateId %q: CloudFront takes only ACM certificates of us-east-1", id)
		}
	}
	if issuer := all["AuthIssuer"]; issuer != "" && !strings.HasPrefix(issuer, "https://") {
		bad("give the issuer as it stands in the tokens, https://...", "AuthIssuer %q is no https URL", issuer)
	}
	return join(errs)
}

// warnChina tells what will not work in the China regions with these values.
func (d *Deployer) warnChina(all map[string]string) {
	if !d.china {
		return
	}
	if all["ApiDomainName"] == "" {
		d.say(Warning, "China: API Gateway answers requests without authorization only in accounts with an ICP licence; without one the playlists answer 401 or 403")
	} else {
		d.say(Warning, "China: %s must have an ICP filing, else API Gateway and carriers refuse it", all["ApiDomainName"])
	}
	if all["SiteDomainName"] == "" {
		d.say(Warning, "China: the web site is not installed, because CloudFront has no usable domain of its own there; give SiteDomainName (with ICP filing) and SiteCertificateId")
	} else {
		d.say(Warning, "China: %s must have an ICP filing, else CloudFront refuses it", all["SiteDomainName"])
	}
	if all["LambdaArchitecture"] == "arm64" {
		d.say(Warning, "China: it is not confirmed that Lambda offers arm64 there; x86_64 is the safe choice")
	}
}

// complete adds to values what the stack has (former) or the template's default says.
func (t *Template) complete(values, former map[string]string) map[string]string {
	all := map[string]string{}
	for i := range t.Parameters {
		p := &t.Parameters[i]
		all[p.Name] = p.Default
		if v, ok := former[p.Name]; ok {
			all[p.Name] = v
		}
		if v, ok := values[p.Name]; ok {
			all[p.Name] = v
		}
	}
	return all
}

// missing reports parameters that have no value. own are those that this package sets.
func (t *Template) missing(all map[string]string, own ...string) error {
	for i := range t.Parameters {
		if p := &t.Parameters[i]; p.Required && all[p.Name] == "" && !slices.Contains(own, p.Name) {
			return settings(p.Description, "parameter %s has no default and no value is given", p.Name)
		}
	}
	return nil
}

// count makes "1 resource" or "3 resources".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
