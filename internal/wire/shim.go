// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math"
	"time"
)

// The Append functions of this file append one message of the shim to dst, trailer included; those that can meet a limit return
// ErrTooLong with dst unchanged. The Parse functions take the payload of a message without its trailer, as [Message] has it, and
// keep nothing of it. Their errors match ErrProtocol or ErrUnknownField.

const magic = "s3cm"

// Hello opens a connection. Its form is the same in all versions.
type Hello struct {
	MinVersion, MaxVersion uint16 // that the sender speaks
	PID                    uint32 // of the sender as it sees itself, 0 = not told
	Client                 string // name and version for the log
}

// AppendHello appends a HELLO. Zero versions mean Version.
func AppendHello(dst []byte, h Hello) ([]byte, error) {
	if h.MinVersion == 0 && h.MaxVersion == 0 {
		h.MinVersion, h.MaxVersion = Version, Version
	}
	b := begin(dst, TypeHello)
	b.dst = append(b.dst, magic...)
	b.dst = binary.LittleEndian.AppendUint16(b.dst, h.MinVersion)
	b.dst = binary.LittleEndian.AppendUint16(b.dst, h.MaxVersion)
	b.dst = binary.LittleEndian.AppendUint32(b.dst, h.PID)
	b.dst = append(b.dst, h.Client...)
	return b.end()
}

// ParseHello reads a HELLO. The client's name is cut at the first byte that is no printable ASCII.
func ParseHello(p []byte) (Hello, error) {
	if len(p) < 12 || string(p[:4]) != magic {
		return Hello{}, fmt.Errorf("%w: this is no HELLO", ErrProtocol)
	}
	h := Hello{
		MinVersion: binary.LittleEndian.Uint16(p[4:]), MaxVersion: binary.LittleEndian.Uint16(p[6:]),
		PID: binary.LittleEndian.Uint32(p[8:]),
	}
	name := p[12:]
	if i := bytes.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		name = name[:i]
	}
	h.Client = string(name)
	return h, nil
}

// Negotiate returns the version to speak with the sender of h: the highest that both know, or ErrVersion.
func Negotiate(h Hello) (uint16, error) {
	if h.MinVersion > Version || h.MaxVersion < Version {
		return 0, fmt.Errorf("%w: client speaks %d to %d, this agent %d", ErrVersion, h.MinVersion, h.MaxVersion, Version)
	}
	return Version, nil
}

// Config describes the camera of a connection. What is empty or 0 is left to the agent's own configuration, or has its default.
type Config struct {
	Region, Bucket string
	Prefix         string
	Endpoint       string // host[:port] or URL
	Camera         string // name in the agent's configuration and log

	RingBytes uint32
	Segment   time.Duration // whole milliseconds

	BucketInHost bool // Endpoint has the bucket in its host name, as the original SDK wants it
	BucketRoot   bool // an empty Prefix means the root of the bucket: keys begin with the year
}

// Tags of CONFIG.
const (
	tagRegion = 1 + iota
	tagBucket
	tagPrefix
	tagEndpoint
	tagCamera
	tagRingBytes
	tagSegmentMS
	tagFlags
)

// Bits of the flags of CONFIG.
const (
	flagBucketInHost = 1 << iota
	flagBucketRoot
	flagsKnown = iota
)

// AppendConfig appends a CONFIG. Segment is cut to whole milliseconds.
func AppendConfig(dst []byte, c Config) ([]byte, error) {
	b := begin(dst, TypeConfig)
	b.text(tagRegion, c.Region)
	b.text(tagBucket, c.Bucket)
	b.text(tagPrefix, c.Prefix)
	b.text(tagEndpoint, c.Endpoint)
	b.text(tagCamera, c.Camera)
	b.number(tagRingBytes, c.RingBytes)
	b.number(tagSegmentMS, milliseconds(c.Segment))
	var flags uint32
	if c.BucketInHost {
		flags |= flagBucketInHost
	}
	if c.BucketRoot {
		flags |= flagBucketRoot
	}
	b.number(tagFlags, flags)
	return b.end()
}

// ParseConfig reads a CONFIG. It does not judge the values.
func ParseConfig(p []byte) (Config, error) {
	var c Config
	var ms, flags uint32
	err := parser{
		tagRegion: &c.Region, tagBucket: &c.Bucket, tagPrefix: &c.Prefix, tagEndpoint: &c.Endpoint, tagCamera: &c.Camera,
		tagRingBytes: &c.RingBytes, tagSegmentMS: &ms, tagFlags: &flags,
	}.parse(TypeConfig, p)
	if err != nil {
		return Config{}, err
	}
	if flags>>flagsKnown != 0 {
		return Config{}, fmt.Errorf("%w: CONFIG flags 0x%x", ErrUnknownField, flags)
	}
	c.Segment = time.Duration(ms) * time.Millisecond
	c.BucketInHost, c.BucketRoot = flags&flagBucketInHost != 0, flags&flagBucketRoot != 0
	return c, nil
}

// Credentials are the keys the camera hands over. They print without what is secret.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // empty for permanent keys
}

// Format implements [fmt.Formatter] for all verbs.
func (c Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, c.AccessKeyID+" [redacted]")
}

// LogValue implements [slog.LogValuer].
func (c Credentials) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Tags of CREDENTIALS.
const (
	tagAccessKey = 1 + iota
	tagSecretKey
	tagToken
)

// AppendCredentials appends a CREDENTIALS.
func AppendCredentials(dst []byte, c Credentials) ([]byte, error) {
	b := begin(dst, TypeCredentials)
	b.text(tagAccessKey, c.AccessKeyID)
	b.text(tagSecretKey, c.SecretAccessKey)
	b.text(tagToken, c.SessionToken)
	return b.end()
}

// ParseCredentials reads a CREDENTIALS. Errors do not show values.
func ParseCredentials(p []byte) (Credentials, error) {
	var c Credentials
	err := parser{tagAccessKey: &c.AccessKeyID, tagSecretKey: &c.SecretAccessKey, tagToken: &c.SessionToken}.parse(TypeCredentials, p)
	if err != nil {
		return Credentials{}, err
	}
	return c, nil
}

const (
	tagTags    = 1 // of TAGS
	tagDrainMS = 1 // of CLOSE
)

// AppendTags appends a TAGS: the x-amz-tagging value of the segments from now on, empty for none.
func AppendTags(dst []byte, tags string) ([]byte, error) {
	b := begin(dst, TypeTags)
	b.text(tagTags, tags)
	return b.end()
}

// ParseTags reads a TAGS.
func ParseTags(p []byte) (tags string, err error) {
	err = parser{tagTags: &tags}.parse(TypeTags, p)
	return tags, err
}

// AppendClose appends a CLOSE: the agent answers CLOSED when all is stored or the time is up, whichever is first.
func AppendClose(dst []byte, drain time.Duration) []byte {
	b := begin(dst, TypeClose)
	b.number(tagDrainMS, milliseconds(drain))
	dst, _ = b.end()
	return dst
}

// ParseClose reads a CLOSE.
func ParseClose(p []byte) (drain time.Duration, err error) {
	var ms uint32
	err = parser{tagDrainMS: &ms}.parse(TypeClose, p)
	return time.Duration(ms) * time.Millisecond, err
}

// AppendStart appends a START: uploads may begin.
func AppendStart(dst []byte) []byte { return appendBare(dst, TypeStart) }

// AppendFlush appends a FLUSH: the open segment is closed now, as far as it can be.
func AppendFlush(dst []byte) []byte { return appendBare(dst, TypeFlush) }

// AppendStatus appends a STATUS: it asks for a StatusText.
func AppendStatus(dst []byte) []byte { return appendBare(dst, TypeStatus) }

func appendBare(dst []byte, t Type) []byte {
	dst, _ = begin(dst, t).end()
	return dst
}

// ParseBare checks a START, FLUSH or STATUS: none has fields that must be known.
func ParseBare(t Type, p []byte) error { return parser{}.parse(t, p) }

// AppendMedia appends a VIDEO or AUDIO message with the data of all parts. lost beyond 65535 is cut.
func AppendMedia(dst []byte, t Type, pts time.Duration, lost int, parts ...[]byte) ([]byte, error) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > MaxMedia || !t.media() {
		return dst, fmt.Errorf("%w: %v", ErrTooLong, t)
	}
	dst = Header{Type: t, Lost: uint16(min(lost, math.MaxUint16)), Length: uint32(n) + 1, Time: uint64(pts / time.Microsecond)}.Append(dst)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return append(dst, Whole), nil
}

// milliseconds cuts d to what four bytes hold.
func milliseconds(d time.Duration) uint32 {
	return uint32(min(max(d.Milliseconds(), 0), math.MaxUint32))
}
