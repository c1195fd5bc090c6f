// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3err"
)

// Errors that Accounts returns.
var (
	ErrUnknownKey   = errors.New("unknown access key")    // answered 403 InvalidAccessKeyId
	ErrInvalidToken = errors.New("invalid session token") // answered 400 InvalidToken: absent, wrong or expired
)

// Accounts knows the key pairs besides the root pair, for example one per camera. It is asked once or twice per request and
// from several goroutines at once, so it answers from memory.
type Accounts interface {
	// Lookup returns the account of an access key. sessionToken is the request's x-amz-security-token, empty when there is
	// none. The error is ErrUnknownKey or ErrInvalidToken.
	Lookup(accessKey, sessionToken string) (Account, error)
}

// Account is one key pair and its rule.
type Account struct {
	SecretKey Secret
	// Allow decides each request of this account; nil refuses all. action is the AWS name ("s3:PutObject"), key the object
	// key as it would be stored, empty for requests on the bucket itself; bucket is "*" when the request names none.
	Allow func(action, bucket, key string) bool
	// PutOnly narrows what Allow allows to plain PUTs of objects; nil leaves it at that.
	PutOnly *PutOnly
}

// iam adapts Accounts to versitygw, which finds the two optional interfaces by type assertion. The root pair never comes here.
type iam struct {
	auth.IAMServiceSingle // user management: "not supported"
	accounts              Accounts
}

var (
	_ auth.IAMService         = (*iam)(nil)
	_ auth.SigningKeyProvider = (*iam)(nil)
	_ auth.PolicyEvaluator    = (*iam)(nil)
)

func (i *iam) lookup(access, token string) (Account, error) {
	if i.accounts == nil {
		return Account{}, auth.ErrNoSuchUser
	}
	// Views of the request's buffer, which is used again: the lookup may keep what it is given.
	a, err := i.accounts.Lookup(strings.Clone(access), strings.Clone(token))
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, ErrInvalidToken):
		return Account{}, auth.ErrInvalidSessionToken
	case errors.Is(err, ErrUnknownKey):
		return Account{}, auth.ErrNoSuchUser // compared with ==, so never wrapped
	}
	return Account{}, s3err.GetAPIError(s3err.ErrInternalError)
}

// GetUserAccount answers lookups by access key alone: only whether the key exists.
func (i *iam) GetUserAccount(access string) (auth.Account, error) {
	if _, err := i.lookup(access, ""); err != nil {
		return auth.Account{}, err
	}
	return auth.Account{Access: access, Role: auth.RoleUser}, nil
}

// DeriveSigningKey returns the SigV4 signing key of an access key: HMAC over date, region, service and "aws4_request".
func (i *iam) DeriveSigningKey(access, token, date, region, service string) ([]byte, auth.Account, error) {
	a, err := i.lookup(access, token)
	if err != nil {
		return nil, auth.Account{}, err
	}
	key := []byte("AWS4" + string(a.SecretKey))
	for _, s := range [...]string{date, region, service, "aws4_request"} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		key = h.Sum(nil)
	}
	return key, auth.Account{Access: access, Role: auth.RoleUser, SessionToken: token, IsSession: token != ""}, nil
}

// EvaluatePolicy fills versitygw's decision matrix: one row per resource, one column per action.
func (i *iam) EvaluatePolicy(access, token string, actions []auth.Action, resources []string, _ map[string][]string) (auth.PolicyEvaluation, error) {
	a, err := i.lookup(access, token)
	if err != nil {
		return auth.PolicyEvaluation{}, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	var ev auth.PolicyEvaluation
	fill(&ev.Decisions, len(resources), len(actions), func(r, c int) bool {
		bucket, key, _ := strings.Cut(strings.TrimPrefix(resources[r], auth.ResourceArnPrefix), "/")
		return a.Allow != nil && a.Allow(string(actions[c]), strings.Clone(bucket), strings.Clone(key))
	})
	return ev, nil
}

// fill makes the n x m matrix. versitygw's element type has no exported name, so its values are written here from the meaning
// fixed in its signing_key_provider.go: 0 no match (which denies), 1 allow, 2 deny.
func fill[T ~int](dst *[][]T, n, m int, allow func(r, c int) bool) {
	*dst = make([][]T, n)
	for r := range n {
		row := make([]T, m)
		for c := range m {
			if allow(r, c) {
				row[c] = 1
			}
		}
		(*dst)[r] = row
	}
}
