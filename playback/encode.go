// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Bounds of the stored form of a window.
const (
	maxStoredEntries = 1 << 20
	maxStoredBytes   = 32 * maxStoredEntries
)

var errStored = errors.New("bad stored window")

// storedWindow is Window without its methods, with the entries packed: an EVENT playlist of a day has 28,800 of them, and
// an item of DynamoDB holds 400 kB.
type storedWindow struct {
	windowFields
	Entries []byte
}

type windowFields Window

// MarshalJSON writes the form that shared stores keep. Entries become bytes (base64): per entry what differs from the one
// before, deflated. A day of steady 3 s segments takes under 1 kB, of wholly irregular ones some 160 kB.
func (w Window) MarshalJSON() ([]byte, error) {
	var raw []byte
	var before Entry
	for i := range w.Entries {
		raw = appendEntry(raw, &w.Entries[i], &before)
		before = w.Entries[i]
	}
	var packed bytes.Buffer
	if len(raw) > 0 {
		z, err := flate.NewWriter(&packed, flate.BestSpeed)
		if err != nil {
			return nil, err
		}
		if _, err = z.Write(raw); err == nil {
			err = z.Close()
		}
		if err != nil {
			return nil, err
		}
	}
	return json.Marshal(storedWindow{windowFields(w), packed.Bytes()})
}

// UnmarshalJSON reads what MarshalJSON wrote. Anything else is an error.
func (w *Window) UnmarshalJSON(text []byte) error {
	var s storedWindow
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	*w = Window(s.windowFields)
	w.Entries = nil
	if len(s.Entries) == 0 {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(s.Entries)), maxStoredBytes+1))
	if err != nil {
		return fmt.Errorf("%w: %w", errStored, err)
	}
	if len(raw) > maxStoredBytes {
		return fmt.Errorf("%w: more than %d bytes", errStored, maxStoredBytes)
	}
	var e Entry
	for len(raw) > 0 {
		if raw, err = readEntry(raw, &e); err != nil {
			return err
		}
		if len(w.Entries) >= maxStoredEntries {
			return fmt.Errorf("%w: more than %d entries", errStored, maxStoredEntries)
		}
		w.Entries = append(w.Entries, e)
	}
	return nil
}

// Flags of a packed entry: which fields follow the key and the duration.
const (
	packedDiscontinuity = 1 << iota
	packedStart         // it does not start where the one before ends
	packedAdded
)

func appendEntry(dst []byte, e, before *Entry) []byte {
	flags := uint64(0)
	if e.Discontinuity {
		flags |= packedDiscontinuity
	}
	if e.Start != before.end() {
		flags |= packedStart
	}
	if e.Added != 0 {
		flags |= packedAdded
	}
	dst = binary.AppendUvarint(dst, flags)
	dst = binary.AppendVarint(dst, e.Key-before.Key)
	dst = binary.AppendVarint(dst, e.Duration-before.Duration)
	if flags&packedStart != 0 {
		dst = binary.AppendVarint(dst, e.Start-e.Key*usPerSecond)
	}
	if flags&packedAdded != 0 {
		dst = binary.AppendVarint(dst, e.Added-e.Key)
	}
	return dst
}

// readEntry reads one packed entry into e, which holds the one before.
func readEntry(src []byte, e *Entry) (rest []byte, err error) {
	flags, n := binary.Uvarint(src)
	if n <= 0 || flags > packedDiscontinuity|packedStart|packedAdded {
		return nil, fmt.Errorf("%w: flags", errStored)
	}
	src = src[n:]
	number := func() int64 {
		v, n := binary.Varint(src)
		if n <= 0 {
			err = fmt.Errorf("%w: cut", errStored)
			return 0
		}
		src = src[n:]
		return v
	}
	start := e.end()
	next := Entry{Key: e.Key + number(), Duration: e.Duration + number(), Start: start, Discontinuity: flags&packedDiscontinuity != 0}
	if flags&packedStart != 0 {
		next.Start = next.Key*usPerSecond + number()
	}
	if flags&packedAdded != 0 {
		next.Added = next.Key + number()
	}
	*e = next
	return src, err
}
