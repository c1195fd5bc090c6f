// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/state"
)

// File is the name of the file in Config.Dir.
const File = "cameras.json"

// Config says where the registry is and what its cameras upload to.
type Config struct {
	Dir    string // the server's data directory; made when something is to be kept
	Bucket string // the only one that cameras may write to
	Now    func() time.Time
	Logger *slog.Logger // nil discards
}

// Registry is the cameras of one data directory. Its methods may be called from several goroutines, and by several processes.
type Registry struct {
	cfg    Config
	file   *state.File[*document]
	index  atomic.Pointer[index]
	master atomic.Pointer[[]byte] // of session keys, once it is needed
	warned atomic.Int64           // when it was last said that the file cannot be read, Unix seconds
}

// index is the document arranged for lookups.
type index struct {
	doc          *document
	keys         map[string]entry // by access key
	certificates map[string]entry // by fingerprint
}

type entry struct {
	camera, secret string
	ends           time.Time
}

// Open reads the registry. There need not be one yet.
func Open(cfg Config) (*Registry, error) {
	if cfg.Dir == "" || cfg.Bucket == "" {
		return nil, errors.New("registry: Dir and Bucket are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	file, err := state.Open[*document](filepath.Join(cfg.Dir, File), state.WithClock(cfg.Now))
	if err != nil {
		return nil, err
	}
	return &Registry{cfg: cfg, file: file}, nil
}

// now is the newest index. A file that cannot be read, or is gone, while the server runs leaves the last one in use: cameras go on
// uploading, and it is said once a minute that changes have no effect.
func (r *Registry) now() *index {
	doc, err := r.file.Get()
	if err != nil {
		at, last := r.cfg.Now().Unix(), r.warned.Load()
		if (at-last >= 60 || at < last) && r.warned.CompareAndSwap(last, at) {
			r.cfg.Logger.Error("the list of cameras cannot be read; the last one stays in use, changes of it have no effect", "file", r.file.Path(), "err", err)
		}
	}
	if x := r.index.Load(); x != nil && x.doc == doc {
		return x
	}
	x := &index{doc: doc, keys: map[string]entry{}, certificates: map[string]entry{}}
	if doc != nil {
		for id, c := range doc.Cameras {
			if c == nil {
				continue
			}
			for _, k := range c.Keys {
				x.keys[k.ID] = entry{id, k.Secret, k.Ends}
			}
			for _, k := range c.Certificates {
				x.certificates[k.Fingerprint] = entry{id, "", k.Ends}
			}
		}
	}
	r.index.Store(x)
	return x
}

func (x *index) record(id string) *record {
	if x.doc == nil {
		return nil
	}
	return x.doc.Cameras[id]
}

// Camera returns what is known of a camera.
func (r *Registry) Camera(id string) (Camera, bool) {
	c := r.now().record(id)
	if c == nil {
		return Camera{}, false
	}
	return c.view(id), true
}

// List returns the cameras by their ids. An error comes with what was known last.
func (r *Registry) List() ([]Camera, error) {
	_, err := r.file.Get()
	cameras := []Camera{}
	if x := r.now(); x.doc != nil {
		for id, c := range x.doc.Cameras {
			if c != nil {
				cameras = append(cameras, c.view(id))
			}
		}
	}
	slices.SortFunc(cameras, func(a, b Camera) int { return strings.Compare(a.ID, b.ID) })
	return cameras, err
}

// AddOptions describe a camera to be made.
type AddOptions struct {
	ID          string
	Certificate bool // a certificate instead of a key pair
	Limits      Limits
}

// Issued is what a camera shows who it is with: a key pair, or a certificate and its key. It exists once: secrets of
// certificates are not kept, those of key pairs are not told again.
type Issued struct {
	Camera    Camera
	AccessKey string
	SecretKey s3server.Secret
	Pair      *Pair     // certificate and private key
	Authority string    // certificate (PEM) of the authority, with a Pair
	Ends      time.Time // when the ones before end; zero when there are none
}

// Add makes a camera. The errors match ErrName, ErrExists and ErrLimit.
func (r *Registry) Add(o AddOptions) (Issued, error) {
	var out Issued
	if err := CheckID(o.ID); err != nil {
		return out, err
	}
	if err := o.Limits.check(); err != nil {
		return out, err
	}
	l := o.Limits
	c := &record{Created: r.moment(), GraceSeconds: seconds(l.Grace), BackFill: seconds(l.BackFill), MaxObject: l.MaxObject}
	if err := r.equip(o.ID, c, o.Certificate, &out); err != nil {
		return out, err
	}
	err := r.update(func(d *document) error {
		for id := range d.Cameras {
			switch other, _ := Thing(id); {
			case id == o.ID:
				return fail(ErrExists, "s3cam camera rotate gives it a new key; or remove it first", "the camera %s exists already", id)
			case strings.EqualFold(id, o.ID): // one folder, on some file systems
				return fail(ErrExists, "choose another name", "%s differs from the camera %s by upper and lower case only", o.ID, id)
			case out.Pair != nil && other == c.view(o.ID).Thing:
				return fail(ErrExists, "choose another name", "in certificates %s would have the name of the camera %s", o.ID, id)
			}
		}
		if len(d.Cameras) >= MaxCameras {
			return fail(ErrLimit, "remove those that are gone", "there are %d cameras, the most that are kept", len(d.Cameras))
		}
		d.Cameras[o.ID] = c
		return nil
	})
	out.Camera = c.view(o.ID)
	return out, err
}

// Rotate gives a camera another key pair, or another certificate when it has one. The one before ends after overlap; those
// before that end now. The error matches ErrAbsent.
func (r *Registry) Rotate(id string, overlap time.Duration) (Issued, error) {
	var out Issued
	if overlap < 0 || overlap > 366*24*time.Hour {
		return out, fail(ErrLimit, "choose one from 0 to 366 days", "the overlap is out of range")
	}
	have, ok := r.Camera(id)
	if !ok {
		return out, absent(id)
	}
	fresh := &record{}
	if err := r.equip(id, fresh, len(have.Certificates) > 0, &out); err != nil {
		return out, err
	}
	err := r.update(func(d *document) error {
		c := d.Cameras[id]
		if c == nil {
			return absent(id)
		}
		now := r.moment()
		out.Ends = now.Add(overlap)
		until := func(ends *time.Time) {
			if ends.IsZero() || ends.After(out.Ends) {
				*ends = out.Ends
			}
		}
		c.Keys, c.Certificates = c.Keys[:min(len(c.Keys), 1)], c.Certificates[:min(len(c.Certificates), 1)]
		for i := range c.Keys {
			until(&c.Keys[i].Ends)
		}
		for i := range c.Certificates {
			until(&c.Certificates[i].Ends)
		}
		c.Keys = append(fresh.Keys, slices.DeleteFunc(c.Keys, func(k storedKey) bool { return ended(k.Ends, now) })...)
		c.Certificates = append(fresh.Certificates, slices.DeleteFunc(c.Certificates, func(k Certificate) bool { return ended(k.Ends, now) })...)
		c.Rotated = now
		out.Camera = c.view(id)
		return nil
	})
	return out, err
}

// Disable takes a camera's access away, or gives it back: its keys and certificates stay.
func (r *Registry) Disable(id string, disabled bool) error {
	return r.update(func(d *document) error {
		if d.Cameras[id] == nil {
			return absent(id)
		}
		d.Cameras[id].Disabled = disabled
		return nil
	})
}

// Remove forgets a camera and its keys. Its footage stays.
func (r *Registry) Remove(id string) error {
	return r.update(func(d *document) error {
		if d.Cameras[id] == nil {
			return absent(id)
		}
		delete(d.Cameras, id)
		return nil
	})
}

func absent(id string) error {
	return fail(ErrAbsent, "s3cam camera list shows those that there are", "there is no camera %s", id)
}

func (r *Registry) update(change func(*document) error) error {
	return r.file.Update(func(d **document) error {
		if *d == nil {
			*d = &document{}
		}
		if (*d).Cameras == nil {
			(*d).Cameras = map[string]*record{}
		}
		return change(*d)
	})
}

// equip makes a key pair or a certificate.
func (r *Registry) equip(id string, c *record, certificate bool, out *Issued) error {
	if !certificate {
		k := storedKey{ID: "S3CAM" + rand.Text()[:15], Secret: rand.Text() + rand.Text(), Created: r.moment()}
		c.Keys = []storedKey{k}
		out.AccessKey, out.SecretKey = k.ID, s3server.Secret(k.Secret)
		return nil
	}
	thing, ok := Thing(id)
	if !ok {
		return fail(ErrName, "use at most 128 letters, digits and : _ - /, or a key pair instead of a certificate", "%q cannot stand in a certificate as AWS IoT names things", id)
	}
	ca, err := OpenAuthority(r.cfg.Dir, r.cfg.Now())
	if err != nil {
		return err
	}
	if out.Pair, err = ca.Client(thing, r.cfg.Now()); err != nil {
		return err
	}
	out.Authority = string(ca.PEM())
	c.Certificates = []Certificate{{Fingerprint: hex.EncodeToString(out.Pair.fingerprint[:]), Created: r.moment()}}
	return nil
}

func (r *Registry) moment() time.Time { return r.cfg.Now().UTC().Truncate(time.Second) }

// seconds rounds up: a limit that was given is not none.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
