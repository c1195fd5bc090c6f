// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// Files of the rules and holds in the data or state directory (package state).
const (
	RulesFile = "retention.json"
	HoldsFile = "holds.json"
)

const day = 24 * time.Hour

// Limits are what a camera's footage is held to; zero is no limit.
type Limits struct {
	Age   time.Duration
	Bytes int64
}

// Rule sets limits for some cameras; what is nil comes from the next wider rule.
type Rule struct {
	Days  *float64 `json:"days,omitempty"`  // 0: for ever
	Bytes *int64   `json:"bytes,omitempty"` // 0: any number
}

// Rules are the limits that differ from the default: by camera id, by folder ("site/*"), or for all ("*").
type Rules struct {
	Cameras map[string]Rule `json:"cameras,omitempty"`
}

// maxDays is more than a century, and fits a time.Duration.
const maxDays = 40000

// Check tells what is wrong with the rules.
func (r Rules) Check() error {
	var errs []error
	for name, rule := range r.Cameras {
		if err := CheckPattern(name); err != nil {
			errs = append(errs, err)
		}
		if d := rule.Days; d != nil && !(*d >= 0 && *d <= maxDays) {
			errs = append(errs, fmt.Errorf("%s: %v days, want 0 (for ever) to %d", name, *d, maxDays))
		}
		if b := rule.Bytes; b != nil && *b < 0 {
			errs = append(errs, fmt.Errorf("%s: %d bytes, want 0 (any number) or more", name, *b))
		}
	}
	return errors.Join(errs...)
}

// For returns the limits of a camera. The rule of the camera itself goes before that of the longest folder, that before
// that of all, and that before def, for days and bytes each.
func (r Rules) For(camera string, def Limits) Limits {
	var days *float64
	var bytes *int64
	for pattern := range patterns(camera) {
		rule, ok := r.Cameras[pattern]
		if !ok {
			continue
		}
		if days == nil {
			days = rule.Days
		}
		if bytes == nil {
			bytes = rule.Bytes
		}
	}
	if days != nil {
		def.Age = Days(*days)
	}
	if bytes != nil {
		def.Bytes = *bytes
	}
	return def
}

// limited tells whether any rule sets a limit.
func (r Rules) limited() bool {
	for _, rule := range r.Cameras {
		if rule.Days != nil && *rule.Days > 0 || rule.Bytes != nil && *rule.Bytes > 0 {
			return true
		}
	}
	return false
}

// patterns yields the names under which a camera may have a rule, the narrowest first.
func patterns(camera string) func(func(string) bool) {
	return func(yield func(string) bool) {
		if !yield(camera) {
			return
		}
		for folder := camera; ; {
			i := strings.LastIndexByte(folder, '/')
			if i < 0 {
				break
			}
			folder = folder[:i]
			if !yield(folder + "/*") {
				return
			}
		}
		yield("*")
	}
}

// CheckPattern tells whether a pattern can name cameras: a camera id, "folder/*" or "*".
func CheckPattern(pattern string) error {
	if pattern == "*" {
		return nil
	}
	return segment.CheckPrefix(strings.TrimSuffix(pattern, "/*"))
}

func matches(pattern, camera string) bool {
	for p := range patterns(camera) {
		if p == pattern {
			return true
		}
	}
	return false
}

// Days is a number of days as a duration, to the second.
func Days(n float64) time.Duration { return time.Duration(math.Round(n*86400)) * time.Second }

// ParseAge reads "7", "7d" (days), "36h" or "90m"; 0 means for ever.
func ParseAge(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseFloat(strings.TrimSuffix(s, "d"), 64); err == nil && n >= 0 && n <= maxDays {
		return Days(n), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 && d <= maxDays*day {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no time to keep footage; write 7 or 7d for days, or 36h", short(s))
}

// units of ParseSize, longest suffix first.
var units = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"t", 1e12}, {"b", 1}, {"", 1},
}

// ParseSize reads "500GB", "20 GiB", "1.5T" or a number of bytes.
func ParseSize(s string) (int64, error) {
	low := strings.ToLower(strings.TrimSpace(s))
	for _, u := range units {
		number, ok := strings.CutSuffix(low, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err == nil && n >= 0 && n*u.factor < 1<<62 {
			return int64(math.Round(n * u.factor)), nil
		}
		break
	}
	return 0, fmt.Errorf("%q is no size; write 500GB, 20GiB or a number of bytes", short(s))
}

// Reserve is how much of a disk is to stay free: bytes, or a share of all.
type Reserve struct {
	Bytes int64
	Share float64 // 0.05 is 5 %
}

// ParseReserve reads what ParseSize does, or "5%".
func ParseReserve(s string) (Reserve, error) {
	if number, ok := strings.CutSuffix(strings.TrimSpace(s), "%"); ok {
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(n >= 0 && n <= 90) {
			return Reserve{}, fmt.Errorf("%q is no part of a disk; write 0%% to 90%%", short(s))
		}
		return Reserve{Share: n / 100}, nil
	}
	n, err := ParseSize(s)
	return Reserve{Bytes: n}, err
}

// Of returns the reserve of a disk of total bytes.
func (r Reserve) Of(total int64) int64 { return max(r.Bytes, int64(r.Share*float64(total))) }

// String returns it as ParseReserve reads it.
func (r Reserve) String() string {
	if r.Share > 0 {
		return strconv.FormatFloat(r.Share*100, 'g', 4, 64) + "%"
	}
	return SizeText(r.Bytes)
}

// SizeText writes a size for people: 12.3 GB.
func SizeText(n int64) string {
	const unit = 1000
	if n < unit {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, i := float64(n)/unit, 0
	for v >= 999.95 && i < 4 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGTP"[i])
}

// AgeText writes a time to keep footage: 7 days, 36h0m0s.
func AgeText(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

func short(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "..."
	}
	return s
}

// Hold is a range of time whose footage is never deleted by this package.
type Hold struct {
	ID     int       `json:"id"`
	Camera string    `json:"camera"` // id, "folder/*" or "*"
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Note   string    `json:"note,omitempty"`
	By     string    `json:"by,omitempty"`
	Made   time.Time `json:"made"`
}

// Holds is the content of HoldsFile.
type Holds struct {
	Last  int    `json:"last"` // id given last; none is given twice
	Holds []Hold `json:"holds"`
}

// Since checks that these are the holds of which seen is remembered (Seen.Holds), or later ones: IDs are never given twice, so a file with a
// smaller Last is an older one, or is missing.
func (h Holds) Since(seen int) error {
	if h.Last < seen {
		return fmt.Errorf("%s is missing or an older one: hold %d was made once, the last it knows of is %d (hint: bring it back; if the holds are meant to be gone, remove %s)",
			HoldsFile, seen, h.Last, SeenFile)
	}
	return nil
}

// Errors of Holds.
var (
	ErrNoHold   = errors.New("there is no such hold")
	ErrSameHold = errors.New("this hold exists already")
)

const maxNote = 1000

// Add appends a hold, gives it its ID and returns it as kept: in UTC. The error says what is wrong with it.
func (h *Holds) Add(hold Hold) (Hold, error) {
	hold.Start, hold.End, hold.Made = hold.Start.UTC(), hold.End.UTC(), hold.Made.UTC()
	switch err := CheckPattern(hold.Camera); {
	case err != nil:
		return Hold{}, err
	case hold.Start.Year() < 1970 || hold.End.Year() > 9999:
		return Hold{}, errors.New("the years of a hold are 1970 to 9999")
	case !hold.End.After(hold.Start):
		return Hold{}, errors.New("the end of the hold is not after its start")
	case len(hold.Note) > maxNote:
		return Hold{}, fmt.Errorf("the note has more than %d bytes", maxNote)
	}
	if i := h.index(hold.Camera, hold.Start, hold.End); i >= 0 {
		return h.Holds[i], ErrSameHold
	}
	h.Last++
	hold.ID = h.Last
	h.Holds = append(h.Holds, hold)
	return hold, nil
}

// Remove takes the hold of exactly this camera and range away and returns it, or ErrNoHold.
func (h *Holds) Remove(camera string, start, end time.Time) (Hold, error) {
	return h.remove(h.index(camera, start, end))
}

// RemoveID takes a hold away by its ID.
func (h *Holds) RemoveID(id int) (Hold, error) {
	return h.remove(slices.IndexFunc(h.Holds, func(x Hold) bool { return x.ID == id }))
}

func (h *Holds) remove(i int) (Hold, error) {
	if i < 0 {
		return Hold{}, ErrNoHold
	}
	hold := h.Holds[i]
	h.Holds = slices.Delete(slices.Clone(h.Holds), i, i+1)
	return hold, nil
}

func (h *Holds) index(camera string, start, end time.Time) int {
	return slices.IndexFunc(h.Holds, func(x Hold) bool { return x.Camera == camera && x.Start.Equal(start) && x.End.Equal(end) })
}

// Covers tells whether the hold is on a camera.
func (h Hold) Covers(camera string) bool { return matches(h.Camera, camera) }
