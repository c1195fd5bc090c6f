// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3cam/s3cam/internal/hint"
)

// What went wrong, for errors.Is. Most errors also have a remedy ([hint.Of]).
var (
	ErrSettings = errors.New("settings")                     // a region, name or parameter is wrong; nothing was done
	ErrDenied   = errors.New("permission denied")            // the caller may not do what is needed
	ErrTaken    = errors.New("name taken")                   // by something that is not ours
	ErrState    = errors.New("state of the stack")           // it cannot be updated, or is busy
	ErrRetained = errors.New("retained video bucket")        // of a former stack of the same name
	ErrReplace  = errors.New("replacement refused")          // something would be replaced that holds data or addresses
	ErrFailed   = errors.New("CloudFormation failed")        // after it had begun
	ErrNoStack  = errors.New("no such stack")                //
	ErrLeft     = errors.New("left while the stack goes on") // the context ended; also matches context.Canceled
)

func fail(kind error, advice, format string, args ...any) error {
	return hint.Errorf(kind, advice, format, args...)
}

func settings(advice, format string, args ...any) error {
	return hint.Errorf(ErrSettings, advice, format, args...)
}

// actionIn finds the action in the messages of AWS: "... is not authorized to perform: iam:CreateRole on resource: ...".
func actionIn(message string) string {
	m := regexp.MustCompile(`not authorized to perform:? ([a-zA-Z0-9-]+:[A-Za-z0-9*]+)`).FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	return m[1]
}

// Denied returns the IAM action that AWS refused the caller, or "" when the error is another one.
func Denied(err error) string {
	var api smithy.APIError
	status := statusOf(err)
	if !errors.As(err, &api) {
		return ""
	}
	if action := actionIn(api.ErrorMessage()); action != "" {
		return action
	}
	switch api.ErrorCode() {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException", "Forbidden", "AllAccessDisabled":
	default:
		if status != 403 || api.ErrorCode() != "UnknownError" {
			return ""
		}
	}
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return api.ErrorCode()
	}
	service := strings.ToLower(op.Service())
	name := op.Operation()
	if service == "s3" {
		for _, other := range [][2]string{{"HeadBucket", "ListBucket"}, {"HeadObject", "GetObject"}, {"PutPublicAccessBlock", "PutBucketPublicAccessBlock"},
			{"PutBucketEncryption", "PutEncryptionConfiguration"}, {"ListObjectVersions", "ListBucketVersions"}, {"ListBuckets", "ListAllMyBuckets"},
			{"DeleteObjects", "DeleteObject"}} {
			if name == other[0] {
				name = other[1]
			}
		}
	}
	return service + ":" + name
}

// statusOf returns the HTTP status of an answer of AWS, 0 when there was none.
func statusOf(err error) int {
	var r *smithyhttp.ResponseError
	if errors.As(err, &r) {
		return r.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Explain gives an error of an AWS client a short text that names what was refused, and a remedy. Other errors, and those
// that were explained before, stay as they are.
func Explain(err error) error {
	var done *hint.Error
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) {
		return err
	}
	if action := Denied(err); action != "" {
		return &hint.Error{Kind: ErrDenied, Text: "AWS denied the action " + action, Err: cause(err), Advice: "ask the account's administrator for a policy that allows " + action +
			", or choose other credentials with AWS_PROFILE"}
	}
	switch code := codeOf(err); code {
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId":
		return &hint.Error{Text: "AWS does not know these credentials", Err: cause(err),
			Advice: "check AWS_PROFILE and AWS_ACCESS_KEY_ID; keys of the China regions work only there, and the other way round"}
	case "SignatureDoesNotMatch":
		return &hint.Error{Text: "AWS refuses the signature", Err: cause(err), Advice: "check AWS_SECRET_ACCESS_KEY, and this machine's clock"}
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return &hint.Error{Text: "the credentials have expired", Err: cause(err), Advice: "get new ones, for example with aws sso login"}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &hint.Error{Text: "AWS cannot be reached", Err: fmt.Errorf("no address for %s", dns.Name), Advice: "check the network, a proxy (HTTPS_PROXY) and the region"}
	}
	for _, lost := range []string{"get identity: get credentials", "failed to refresh cached credentials", "no EC2 IMDS role found", "static credentials are empty"} {
		if strings.Contains(err.Error(), lost) {
			return &hint.Error{Text: "there are no AWS credentials", Err: cause(err), Advice: "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with aws sso login"}
		}
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return &hint.Error{Text: op.Service() + " " + op.Operation(), Err: cause(err)}
	}
	return err
}

// reason is the innermost text of an SDK error, which wraps it in request ids and attempts; the whole stays reachable.
type reason struct {
	error
	text string
}

func (r reason) Error() string { return r.text }
func (r reason) Unwrap() error { return r.error }

func cause(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		text := api.ErrorMessage()
		if text == "" {
			text = api.ErrorCode()
		}
		return reason{err, text}
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return reason{err, op.Err.Error()}
	}
	return err
}
