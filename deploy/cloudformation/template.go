// SPDX-License-Identifier: Apache-2.0

package cloudformation

import _ "embed"

// Release is the version that the templates' parameter AssetsPrefix names by default ("s3cam/v<Release>/").
const Release = "0.1.0"

// MaxInline is the size in bytes up to which CloudFormation takes a template within a request; larger ones have to be put
// into S3 first.
const MaxInline = 51200

//go:embed global.yaml
var global string

//go:embed china.yaml
var china string

// Template returns the template for the regions of China, or for all others. The caller owns the bytes.
func Template(inChina bool) []byte {
	if inChina {
		return []byte(china)
	}
	return []byte(global)
}
