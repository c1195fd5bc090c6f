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
)

// What went wrong, for errors.Is. Most errors also have a method Hint() string: what to do about it.
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

// Error is an error with its kind and a remedy.
type Error struct {
	kind error
	text string
	hint string
	err  error
}

func (e *Error) Error() string {
	if e.err == nil {
		return e.text
	}
	if e.text == "" {
		return e.err.Error()
	}
	return e.text + ": " + e.err.Error()
}

// Hint is what to do about it.
func (e *Error) Hint() string { return e.hint }

// Unwrap returns kind and cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.kind != nil {
		errs = append(errs, e.kind)
	}
	if e.err != nil {
		errs = append(errs, e.err)
	}
	return errs
}

func fail(kind error, hint, format string, args ...any) error {
	return &Error{kind: kind, text: fmt.Sprintf(format, args...), hint: hint}
}

func settings(hint, format string, args ...any) error {
	return fail(ErrSettings, hint, format, args...)
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
	var done *Error
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) {
		return err
	}
	if action := Denied(err); action != "" {
		return &Error{kind: ErrDenied, text: "AWS denied the action " + action, err: cause(err), hint: "ask the account's administrator for a policy that allows " + action +
			", or choose other credentials with AWS_PROFILE"}
	}
	switch code := codeOf(err); code {
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId":
		return &Error{text: "AWS does not know these credentials", err: cause(err),
			hint: "check AWS_PROFILE and AWS_ACCESS_KEY_ID; keys of the China regions work only there, and the other way round"}
	case "SignatureDoesNotMatch":
		return &Error{text: "AWS refuses the signature", err: cause(err), hint: "check AWS_SECRET_ACCESS_KEY, and this machine's clock"}
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return &Error{text: "the credentials have expired", err: cause(err), hint: "get new ones, for example with aws sso login"}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &Error{text: "AWS cannot be reached", err: fmt.Errorf("no address for %s", dns.Name), hint: "check the network, a proxy (HTTPS_PROXY) and the region"}
	}
	for _, lost := range []string{"get identity: get credentials", "failed to refresh cached credentials", "no EC2 IMDS role found", "static credentials are empty"} {
		if strings.Contains(err.Error(), lost) {
			return &Error{text: "there are no AWS credentials", err: cause(err), hint: "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with aws sso login"}
		}
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return &Error{text: op.Service() + " " + op.Operation(), err: cause(err)}
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
