// SPDX-License-Identifier: Apache-2.0

package awslambda

// CustomResource is what New returns for the demosite function, around any handler.
var CustomResource = customResource
