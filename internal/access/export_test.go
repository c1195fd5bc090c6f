// SPDX-License-Identifier: Apache-2.0

package access

import "time"

var SafeNext = safeNext

// ParseHash tells whether a stored password can be read.
func ParseHash(s string) error {
	_, err := parseHash(hash(s))
	return err
}

// Matches tells whether a password belongs to a stored one.
func Matches(stored, password string) bool {
	p, err := parseHash(hash(stored))
	return err == nil && p.matches(password)
}

func HashPassword(password string) string { return string(hashPassword(password)) }

// Limiter is the table of guesses.
type Limiter struct{ l *limiter }

func NewLimiter(burst int, every time.Duration) Limiter { return Limiter{newLimiter(burst, every)} }

func (l Limiter) Take(key string, now time.Time) time.Duration { return l.l.take(key, now) }
func (l Limiter) Refund(key string)                            { l.l.refund(key) }

const (
	AccountBurst   = accountBurst
	PlaceBurst     = placeBurst
	MaxOwnSessions = maxOwnSessions
)
