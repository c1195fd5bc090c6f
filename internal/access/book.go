// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/internal/state"
)

// BookFile is the name of the file with people and keys in its folder.
const BookFile = "access.json"

// Errors of Book. A caller may test for them.
var (
	ErrNoPerson  = errors.New("there is no such person")
	ErrExists    = errors.New("the name is taken")
	ErrLastAdmin = errors.New("this is the last admin")
	ErrNoKey     = errors.New("there is no such key")
)

type data struct {
	People []Person `json:"people"`
	Keys   []key    `json:"token_keys"`
}

type key struct {
	ID      string    `json:"id"`
	Secret  []byte    `json:"secret"`
	Created time.Time `json:"created"`
}

// KeyInfo is what may be shown of a key.
type KeyInfo struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
}

// Book holds people and keys, in one file for the server and the command line. Methods that change it return when the change
// will survive a power cut.
type Book struct {
	file *state.File[data]
	now  func() time.Time
}

// OpenBook opens the book in a folder, which need not exist before the first change. now is time.Now when nil.
func OpenBook(dir string, now func() time.Time) (*Book, error) {
	if now == nil {
		now = time.Now
	}
	f, err := state.Open[data](filepath.Join(dir, BookFile), state.WithClock(now))
	if err != nil {
		return nil, err
	}
	b := &Book{file: f, now: now}
	d, err := f.Get()
	if err != nil {
		return nil, err
	}
	return b, d.check(f.Path())
}

func (d *data) check(path string) error {
	names, ids := map[string]bool{}, map[string]bool{}
	for i := range d.People {
		p := &d.People[i]
		if err := p.check(); err != nil {
			return fmt.Errorf("%s: person %d: %w", path, i+1, err)
		}
		if names[p.Name] {
			return fmt.Errorf("%s: there are two people %s", path, p.Name)
		}
		if ids[p.ID] {
			return fmt.Errorf("%s: there are two people with the id %s", path, p.ID)
		}
		names[p.Name], ids[p.ID] = true, p.ID != ""
		if _, err := parseHash(p.Password); err != nil {
			return fmt.Errorf("%s: person %s: %w", path, p.Name, err)
		}
	}
	if _, err := d.tokenKeys(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Path returns the file of the book.
func (b *Book) Path() string { return b.file.Path() }

// People returns everybody, in order of names. The slice is the caller's, what it refers to is not.
func (b *Book) People() ([]Person, error) {
	d, err := b.file.Get()
	people := slices.Clone(d.People)
	slices.SortFunc(people, func(x, y Person) int { return strings.Compare(x.Name, y.Name) })
	return people, err
}

func (d *data) person(name string) *Person {
	for i := range d.People {
		if d.People[i].Name == name {
			return &d.People[i]
		}
	}
	return nil
}

// maker returns the person who has made a link.
func (d *data) maker(id string) *Person {
	for i := range d.People {
		if id != "" && d.People[i].ID == id {
			return &d.People[i]
		}
	}
	return nil
}

func newID() string { return strings.ToLower(rand.Text()[:12]) } // 60 bits

// identify returns the id of a person, which is made when there is none: in books of before there were any.
func (b *Book) identify(name string) (id string, err error) {
	err = b.file.Update(func(d *data) error {
		p := d.person(name)
		if p == nil {
			return fmt.Errorf("%s: %w", name, ErrNoPerson)
		}
		if p.ID == "" {
			p.ID = newID()
		}
		id = p.ID
		return nil
	})
	return id, err
}

// Add makes a person known, with a password. Created, ID, Password and Stamp are set here.
func (b *Book) Add(p Person, password string) error {
	return b.add(p, password, func(*data) error { return nil })
}

// addFirst adds the first person.
func (b *Book) addFirst(p Person, password string) error {
	return b.add(p, password, func(d *data) error {
		if len(d.People) > 0 {
			return ErrExists
		}
		return nil
	})
}

func (b *Book) add(p Person, password string, allowed func(*data) error) error {
	if err := p.check(); err != nil {
		return err
	}
	if err := CheckPassword(p.Name, password); err != nil {
		return err
	}
	p.Created, p.ID, p.Password, p.Stamp = b.now().UTC().Truncate(time.Second), newID(), hashPassword(password), rand.Text()
	return b.file.Update(func(d *data) error {
		if err := allowed(d); err != nil {
			return err
		}
		if d.person(p.Name) != nil {
			return fmt.Errorf("%s: %w", p.Name, ErrExists)
		}
		if len(d.People) >= maxPeople {
			return fmt.Errorf("there are %d people, no more are taken", maxPeople)
		}
		d.People = append(d.People, p)
		return nil
	})
}

// Remove takes a person out. The last admin can be removed only when nobody else is left.
func (b *Book) Remove(name string) error {
	return b.file.Update(func(d *data) error {
		p := d.person(name)
		if p == nil {
			return fmt.Errorf("%s: %w", name, ErrNoPerson)
		}
		admins := 0
		for i := range d.People {
			if d.People[i].Role == Admin {
				admins++
			}
		}
		if p.Role == Admin && admins == 1 && len(d.People) > 1 {
			return fmt.Errorf("%s: %w", name, ErrLastAdmin)
		}
		d.People = slices.DeleteFunc(d.People, func(p Person) bool { return p.Name == name })
		return nil
	})
}

// SetPassword gives a person a new password, which ends all sessions.
func (b *Book) SetPassword(name, password string) error {
	if err := CheckPassword(name, password); err != nil {
		return err
	}
	h := hashPassword(password)
	return b.file.Update(func(d *data) error {
		p := d.person(name)
		if p == nil {
			return fmt.Errorf("%s: %w", name, ErrNoPerson)
		}
		p.Password, p.Stamp = h, rand.Text()
		return nil
	})
}

// Keys lists the keys of tokens, the oldest first.
func (b *Book) Keys() ([]KeyInfo, error) {
	d, err := b.file.Get()
	var list []KeyInfo
	for _, k := range d.Keys {
		list = append(list, KeyInfo{k.ID, k.Created})
	}
	return list, err
}

func (d *data) tokenKeys() (token.Keys, error) {
	var ks token.Keys
	for _, k := range d.Keys {
		ks = append(ks, token.Key{ID: k.ID, Secret: k.Secret})
	}
	return ks, ks.CheckAll()
}

// TokenKeys returns the keys whose tokens are good, the oldest first.
func (b *Book) TokenKeys() (token.Keys, error) {
	d, err := b.file.Get()
	ks, kerr := d.tokenKeys()
	return ks, errors.Join(err, kerr)
}

// NewKey makes a key, which signs all tokens from now on; those of other keys stay good. An empty id is chosen here.
func (b *Book) NewKey(id string) (token.Key, error) {
	var k token.Key
	err := b.file.Update(func(d *data) (err error) {
		k, err = b.newKey(d, id)
		return err
	})
	return k, err
}

func (b *Book) newKey(d *data, id string) (token.Key, error) {
	if id == "" {
		id = "k" + strings.ToLower(rand.Text()[:7])
	}
	if len(d.Keys) >= token.MaxKeys {
		return token.Key{}, fmt.Errorf("there are %d keys, no more are taken; revoke one", token.MaxKeys)
	}
	for _, k := range d.Keys {
		if k.ID == id {
			return token.Key{}, fmt.Errorf("key %s: %w", id, ErrExists)
		}
	}
	k, err := token.NewKey(id)
	if err == nil {
		d.Keys = append(d.Keys, key{k.ID, k.Secret, b.now().UTC().Truncate(time.Second)})
	}
	return k, err
}

// LinksKey is the id of the key that signs the links of POST /share, so that they do not end with a key that somebody has made for
// something else.
const LinksKey = "links"

// signerOfLinks returns that key, which is made when there is none; the newest, when no more keys are taken.
func (b *Book) signerOfLinks() (token.Key, error) {
	k, err := b.Signer(LinksKey)
	if !errors.Is(err, ErrNoKey) {
		return k, err
	}
	err = b.file.Update(func(d *data) (err error) {
		ks, err := d.tokenKeys()
		if err != nil {
			return err
		}
		var ok bool
		if k, ok = signer(ks, LinksKey); ok { // another process was faster
			return nil
		}
		if len(ks) >= token.MaxKeys {
			k, _ = signer(ks, "")
			return nil
		}
		k, err = b.newKey(d, LinksKey)
		return err
	})
	return k, err
}

// Signer returns the key of an id, or with an empty one the newest that is not for links, which is made when there is none.
func (b *Book) Signer(id string) (token.Key, error) {
	ks, err := b.TokenKeys()
	if err != nil {
		return token.Key{}, err
	}
	if k, ok := signer(ks, id); ok {
		return k, nil
	}
	if id != "" {
		return token.Key{}, fmt.Errorf("key %s: %w", id, ErrNoKey)
	}
	var k token.Key
	err = b.file.Update(func(d *data) (err error) {
		ks, err := d.tokenKeys()
		if err != nil {
			return err
		}
		var ok bool
		if k, ok = signer(ks, ""); !ok { // another process may have been faster
			k, err = b.newKey(d, "")
		}
		return err
	})
	return k, err
}

func signer(ks token.Keys, id string) (token.Key, bool) {
	for _, k := range slices.Backward(ks) {
		if id == "" && k.ID != LinksKey || k.ID == id {
			return k, true
		}
	}
	return token.Key{}, false
}

// Revoke takes a key away: the tokens that it signed are no longer good.
func (b *Book) Revoke(id string) error {
	return b.file.Update(func(d *data) error {
		before := len(d.Keys)
		if d.Keys = slices.DeleteFunc(d.Keys, func(k key) bool { return k.ID == id }); len(d.Keys) == before {
			return fmt.Errorf("key %s: %w", id, ErrNoKey)
		}
		return nil
	})
}
