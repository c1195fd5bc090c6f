// SPDX-License-Identifier: Apache-2.0

package s3rule

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// partitions are AWS's DNS suffixes by the start of the region's name, after botocore's partitions.json. The last entry
// fits every other region.
var partitions = [...]struct{ region, suffix string }{
	{"cn-", "amazonaws.com.cn"},
	{"eusc-", "amazonaws.eu"},
	{"us-iso-", "c2s.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov"},
	{"eu-isoe-", "cloud.adc-e.uk"},
	{"us-isof-", "csp.hci.ic.gov"},
	{"", "amazonaws.com"},
}

// DNSSuffix is the domain of AWS's partition in which a region lies.
func DNSSuffix(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.region) {
			return p.suffix
		}
	}
	return ""
}

// ValidRegion accepts names that are one DNS label.
func ValidRegion(s string) bool {
	for _, c := range []byte(s) {
		if c-'a' >= 26 && c-'0' >= 10 && c-'A' >= 26 && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-'
}

// CheckBucket applies AWS's rules for bucket names, or for other servers only what keeps URLs and signatures sound.
func CheckBucket(s string, aws bool) error {
	switch {
	case s == "":
		return errors.New("no bucket")
	case strings.HasPrefix(s, "arn:"):
		return errors.New("bucket: ARNs are not supported; give the name of the bucket")
	}
	for _, c := range []byte(s) {
		lower := c-'a' < 26 || c-'0' < 10 || c == '-' || c == '.'
		if !lower && (aws || (c-'A' >= 26 && c != '_')) {
			return fmt.Errorf("bucket %q: character %q is not allowed", s, c)
		}
	}
	if aws && (len(s) < 3 || len(s) > 63) {
		return fmt.Errorf("bucket %q: names have 3 to 63 characters", s)
	}
	if edge := s[0:1] + s[len(s)-1:]; len(s) > 255 || strings.ContainsAny(edge, ".-") || strings.Contains(s, "..") {
		return fmt.Errorf("bucket %q is not a valid name", s)
	}
	if aws && IsIP(s) {
		return fmt.Errorf("bucket %q: a name must not look like an IP address", s)
	}
	return nil
}

// IsIP tells whether a host, with or without a port, is an IP address.
func IsIP(host string) bool {
	if _, err := netip.ParseAddrPort(host); err == nil {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}
