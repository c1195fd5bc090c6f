// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"slices"
	"strings"
)

// lacking maps each region of the partitions aws and aws-cn to what the stack needs and the region has not: "" where it has
// everything. From the region schemas of cfn-lint 1.51.0 (November 2026): the types of the template that are listed there.
func lacking() map[string]string {
	const iot, api = "AWS IoT role aliases (the cameras' credentials)", "API Gateway HTTP APIs"
	m := map[string]string{
		"af-south-1": iot, "ap-northeast-3": iot, "ap-south-2": iot, "ap-southeast-3": iot, "ap-southeast-4": iot, "ap-southeast-7": iot,
		"ca-west-1": iot, "eu-central-2": iot, "mx-central-1": iot, "ap-east-2": api, "ap-southeast-6": api,
	}
	for _, r := range strings.Fields(`ap-east-1 ap-northeast-1 ap-northeast-2 ap-south-1 ap-southeast-1 ap-southeast-2 ap-southeast-5
		ca-central-1 cn-north-1 cn-northwest-1 eu-central-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1
		me-central-1 me-south-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2`) {
		m[r] = ""
	}
	return m
}

// Regions lists the regions to which the stack can be deployed, sorted.
func Regions() []string {
	var names []string
	for r, lack := range lacking() {
		if lack == "" {
			names = append(names, r)
		}
	}
	slices.Sort(names)
	return names
}

// China tells whether a region belongs to the partition aws-cn, which has a template of its own.
func China(region string) bool { return strings.HasPrefix(region, "cn-") }

// CheckRegion tells whether the stack can exist in a region, and which template is for it. The error matches [ErrSettings].
func CheckRegion(region string) (china bool, err error) {
	hint := "use one of " + strings.Join(Regions(), ", ")
	if region == "" {
		return false, settings("give --region, AWS_REGION or a region in the AWS profile; "+hint, "no region is given")
	}
	for _, p := range []struct{ prefix, why string }{
		{"us-gov-", "AWS GovCloud has no CloudFront"},
		{"us-iso", "there is no template for the partition of this region"},
		{"eu-iso", "there is no template for the partition of this region"},
		{"eusc-", "there is no template for the partition of this region"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return false, settings(hint, "region %s is not supported: %s", region, p.why)
		}
	}
	lack, known := lacking()[region]
	switch {
	case !known:
		if near := nearest(region, Regions()); near != "" {
			hint = "did you mean " + near + "? Otherwise " + hint
		}
		return false, settings(hint, "region %q is not known", region)
	case lack != "":
		return false, settings(hint, "region %s is not supported: it has no %s", region, lack)
	}
	return China(region), nil
}

// nearest returns the name with the smallest edit distance, if that is small.
func nearest(s string, names []string) string {
	best, at := 3, ""
	for _, n := range names {
		if d := distance(strings.ToLower(s), strings.ToLower(n)); d < best {
			best, at = d, n
		}
	}
	return at
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
