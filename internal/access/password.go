// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// Bounds of a password in bytes.
const (
	MinPassword = 8
	MaxPassword = 512
)

// Parameters of argon2id (RFC 9106). 19 MiB, two passes and one lane is what OWASP's Password Storage Cheat Sheet asks for at
// least (seen 2026-11).
const (
	hashMemory = 19 * 1024 // KiB
	hashPasses = 2
	hashLanes  = 1
	hashBytes  = 32
	saltBytes  = 16

	maxHashing   = 2               // passwords that are hashed at a time: 38 MiB
	hashPatience = 5 * time.Second // for which a login waits for its turn
)

// CheckPassword tells what is wrong with a new password.
func CheckPassword(name, password string) error {
	switch {
	case len(password) < MinPassword:
		return fmt.Errorf("a password needs at least %d characters", MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("a password has at most %d bytes", MaxPassword)
	case strings.EqualFold(password, name):
		return errors.New("the password is the name")
	case strings.Count(password, password[:1]) == len(password):
		return errors.New("the password is one character repeated")
	}
	return nil
}

// RandomPassword makes a password of 20 letters and digits: 100 bits.
func RandomPassword() string {
	t := strings.ToLower(rand.Text())
	return t[:5] + "-" + t[5:10] + "-" + t[10:15] + "-" + t[15:20]
}

// hashPassword returns a password's hash in the PHC form, with a salt of its own.
func hashPassword(password string) hash {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails
	sum := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashLanes, hashBytes)
	e := base64.RawStdEncoding
	return hash(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashPasses, hashLanes, e.EncodeToString(salt), e.EncodeToString(sum)))
}

// phc is a hash taken apart.
type phc struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

var errHash = errors.New("the stored password is none of argon2id")

// parseHash reads a hash in the PHC form; parameters that would take a server down are refused.
func parseHash(h hash) (p phc, err error) {
	part := strings.Split(string(h), "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != "v="+strconv.Itoa(argon2.Version) {
		return p, errHash
	}
	param := strings.Split(part[3], ",")
	if len(param) != 3 {
		return p, errHash
	}
	number := func(i int, name string, least, most uint64) uint64 {
		text, ok := strings.CutPrefix(param[i], name+"=")
		n, perr := strconv.ParseUint(text, 10, 32)
		if !ok || perr != nil || n < least || n > most {
			err = errHash
		}
		return n
	}
	p.memory, p.passes, p.lanes = uint32(number(0, "m", 8*4, 256<<10)), uint32(number(1, "t", 1, 16)), uint8(number(2, "p", 1, 4))
	if err != nil {
		return p, err
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(part[4])
	p.sum, err2 = base64.RawStdEncoding.Strict().DecodeString(part[5])
	if err1 != nil || err2 != nil || len(p.salt) < 8 || len(p.salt) > 64 || len(p.sum) < 16 || len(p.sum) > 64 {
		return p, errHash
	}
	return p, nil
}

func (p *phc) matches(password string) bool {
	sum := argon2.IDKey([]byte(password), p.salt, p.passes, p.memory, p.lanes, uint32(len(p.sum)))
	return subtle.ConstantTimeCompare(sum, p.sum) == 1
}

// hasher hashes a bounded number of passwords at a time.
type hasher struct {
	turns chan struct{}
	dummy phc // hashed for names that nobody has
}

func newHasher() *hasher {
	return &hasher{turns: make(chan struct{}, maxHashing), dummy: phc{hashMemory, hashPasses, hashLanes, make([]byte, saltBytes), make([]byte, hashBytes)}}
}

var errBusy = errors.New("too many people are logging in")

// turn waits until a password may be hashed. The caller calls done.
func (h *hasher) turn(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-ctx.Done():
		return nil, errBusy
	}
}

// verify tells whether a password is that of a person, nil for one who does not exist. It takes as long either way.
func (h *hasher) verify(ctx context.Context, p *Person, password string) (bool, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	if p == nil || len(password) > MaxPassword {
		h.dummy.matches("")
		return false, nil
	}
	stored, err := parseHash(p.Password)
	if err != nil {
		return false, fmt.Errorf("person %s: %w", p.Name, err)
	}
	return stored.matches(password), nil
}
