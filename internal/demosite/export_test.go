// SPDX-License-Identifier: Apache-2.0

package demosite

import "context"

// CredentialEndpoint is what Handle returns as the attribute of this name.
func CredentialEndpoint(i *Installer, ctx context.Context) string { return i.credentialEndpoint(ctx) }

// ReadEndpoint reads an answer of AWS IoT.
var ReadEndpoint = readEndpoint
