// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// Config is everything that can be set. [Load] makes one.
type Config struct {
	File       string // the configuration file, for messages
	Exposed    bool   // it holds keys, and every user of the system can read it
	FD         int    // a connected socket of one camera; 0: none
	Socket     string // where to listen
	SocketMode uint32
	Drain      time.Duration
	StateDir   string
	Heartbeat  string
	Unhealthy  time.Duration
	Log        string
	LogLevel   slog.Level
	KeepText   bool

	Camera  CameraConfig            // of cameras without a section of their own
	Cameras map[string]CameraConfig // by name; what a section leaves out is as in Camera
}

// CameraConfig is what may differ from camera to camera.
type CameraConfig struct {
	Name     string
	Prefix   string
	Bucket   string
	Region   string
	Endpoint string

	PathStyle                string // "yes", "no", or "": yes for an Endpoint
	BucketInHost, BucketRoot bool

	CAFile      string
	ServerTime  bool
	AnyCipher   bool
	NoCondition bool
	NoChecksum  bool

	AccessKey, SecretKey, SessionToken string
	CredentialsFile, Profile           string
	IoTEndpoint, IoTThing, IoTAlias    string
	IoTCert, IoTKey                    string

	RingBytes    int
	Segment      time.Duration
	Tags         string
	Audio        bool
	SpoolDir     string
	SpoolBytes   int64
	RejectedWait time.Duration

	Input string
	FPS   string
}

// scope says where a setting may stand.
type scope int

const (
	global    scope = iota // flag, environment, top of the file
	perCamera              // also in a [camera] section
	flagOnly
)

// setting is one line of the table that flags, environment, file and documentation are made of.
type setting struct {
	name  string
	arg   string // name of the value in help; empty: a switch
	def   string
	help  string
	scope scope
	env   []string // further variables, of AWS
	set   func(c *Config, k *CameraConfig, v string) error
}

// envName is the variable that is read first.
func (s *setting) envName() string {
	return "S3CAM_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

const (
	// MaxCameras bounds the cameras of one agent.
	MaxCameras = 64

	// The longest drain is bounded since init scripts and firmware wait for it.
	maxDrain = time.Hour
)

func settings() []setting {
	str := func(p func(c *Config, k *CameraConfig) *string) func(*Config, *CameraConfig, string) error {
		return func(c *Config, k *CameraConfig, v string) error { *p(c, k) = v; return nil }
	}
	camera := func(p func(k *CameraConfig) *string) func(*Config, *CameraConfig, string) error {
		return func(_ *Config, k *CameraConfig, v string) error { *p(k) = v; return nil }
	}
	toggle := func(p func(k *CameraConfig) *bool) func(*Config, *CameraConfig, string) error {
		return func(_ *Config, k *CameraConfig, v string) (err error) { *p(k), err = parseBool(v); return err }
	}
	span := func(min, max time.Duration, p func(c *Config, k *CameraConfig) *time.Duration) func(*Config, *CameraConfig, string) error {
		return func(c *Config, k *CameraConfig, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil {
				return fmt.Errorf("is no duration such as 3s or 1m30s")
			}
			if d < min || d > max {
				return fmt.Errorf("must be between %v and %v", min, max)
			}
			*p(c, k) = d
			return nil
		}
	}
	return []setting{
		{"socket", "PATH", "", "listen here for cameras (Unix socket); a daemon's usual place is " + DefaultSocket, global, nil,
			str(func(c *Config, _ *CameraConfig) *string { return &c.Socket })},
		{"socket-mode", "MODE", "0660", "permissions of the socket, octal: who may connect may record", global, nil,
			func(c *Config, _ *CameraConfig, v string) error {
				m, err := strconv.ParseUint(v, 8, 32)
				if err != nil || m > 0o777 {
					return fmt.Errorf("is no octal mode such as 0660")
				}
				c.SocketMode = uint32(m)
				return nil
			}},
		{"fd", "N", "0", "serve the one camera at the other end of this open socket, then exit: how the C library starts the agent", flagOnly, nil,
			func(c *Config, _ *CameraConfig, v string) error {
				n, err := strconv.Atoi(v)
				if err != nil || n < 0 {
					return fmt.Errorf("is no descriptor")
				}
				c.FD = n
				return nil
			}},
		{"input", "FILE", "", "record this stream: H.264 or MPEG-TS from a file, a FIFO (opened again when its writer ends), or - for standard input", perCamera, nil,
			camera(func(k *CameraConfig) *string { return &k.Input })},
		{"fps", "N", "", "frame rate of raw H.264 that does not tell it, such as 25 or 30000/1001", perCamera, nil,
			camera(func(k *CameraConfig) *string { return &k.FPS })},

		{"prefix", "NAME", "", "the camera's folder in the bucket, its id for playback", perCamera, nil,
			camera(func(k *CameraConfig) *string { return &k.Prefix })},
		{"bucket", "NAME", "", "the bucket", perCamera, nil, camera(func(k *CameraConfig) *string { return &k.Bucket })},
		{"region", "NAME", "", "AWS region of the bucket, such as eu-central-1 or cn-north-1", perCamera, []string{"AWS_REGION", "AWS_DEFAULT_REGION"},
			camera(func(k *CameraConfig) *string { return &k.Region })},
		{"endpoint", "URL", "", "another S3 server: https://host[:port]; empty is AWS", perCamera, []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"},
			camera(func(k *CameraConfig) *string { return &k.Endpoint })},
		{"path-style", "WHEN", "auto", "put the bucket into the path instead of the host name: yes, no, or auto, which is yes for an endpoint and no for AWS", perCamera, nil,
			func(_ *Config, k *CameraConfig, v string) error {
				if v == "auto" {
					k.PathStyle = ""
					return nil
				}
				b, err := parseBool(v)
				k.PathStyle = map[bool]string{true: "yes", false: "no"}[b]
				return err
			}},
		{"bucket-in-host", "", "false", "the endpoint's host name has the bucket in it already", perCamera, nil,
			toggle(func(k *CameraConfig) *bool { return &k.BucketInHost })},
		{"ca-file", "FILE", "", "certificates (PEM) that may vouch for the server; empty: the roots of AWS that are built in", perCamera, nil,
			camera(func(k *CameraConfig) *string { return &k.CAFile })},
		{"server-time", "", "false", "with a clock that is too wrong to verify certificates, take the time from the server although its certificate's dates cannot be checked", perCamera, nil,
			toggle(func(k *CameraConfig) *bool { return &k.ServerTime })},
		{"any-cipher", "", "false", "offer AES at once on processors without AES instructions", perCamera, nil,
			toggle(func(k *CameraConfig) *bool { return &k.AnyCipher })},
		{"no-condition", "", "false", "for servers without If-None-Match: an object of the same name is overwritten", perCamera, nil,
			toggle(func(k *CameraConfig) *bool { return &k.NoCondition })},
		{"no-checksum", "", "false", "for servers that refuse x-amz-checksum-crc32c", perCamera, nil,
			toggle(func(k *CameraConfig) *bool { return &k.NoChecksum })},

		{"access-key", "ID", "", "access key id, when the firmware does not set credentials", perCamera, []string{"AWS_ACCESS_KEY_ID"},
			camera(func(k *CameraConfig) *string { return &k.AccessKey })},
		{"secret-key", "KEY", "", "secret access key; better in the file or the environment, a command line can be seen by others", perCamera, []string{"AWS_SECRET_ACCESS_KEY"},
			camera(func(k *CameraConfig) *string { return &k.SecretKey })},
		{"session-token", "TOKEN", "", "session token of temporary credentials", perCamera, []string{"AWS_SESSION_TOKEN"},
			camera(func(k *CameraConfig) *string { return &k.SessionToken })},
		{"credentials-file", "FILE", "", "AWS credentials file, read again when it changes", perCamera, []string{"AWS_SHARED_CREDENTIALS_FILE"},
			camera(func(k *CameraConfig) *string { return &k.CredentialsFile })},
		{"profile", "NAME", "default", "section of the credentials file", perCamera, []string{"AWS_PROFILE"},
			camera(func(k *CameraConfig) *string { return &k.Profile })},
		{"iot-endpoint", "HOST", "", "AWS IoT credential endpoint (aws iot describe-endpoint --endpoint-type iot:CredentialProvider)", perCamera, nil,
			camera(func(k *CameraConfig) *string { return &k.IoTEndpoint })},
		{"iot-thing", "NAME", "", "AWS IoT thing name; without a prefix it is the prefix too", perCamera, nil,
			camera(func(k *CameraConfig) *string { return &k.IoTThing })},
		{"iot-role-alias", "NAME", "", "AWS IoT role alias", perCamera, nil, camera(func(k *CameraConfig) *string { return &k.IoTAlias })},
		{"iot-cert", "FILE", "", "the device's certificate (PEM)", perCamera, nil, camera(func(k *CameraConfig) *string { return &k.IoTCert })},
		{"iot-key", "FILE", "", "the device's private key (PEM)", perCamera, nil, camera(func(k *CameraConfig) *string { return &k.IoTKey })},

		{"ring", "SIZE", "4MiB", "memory for footage that is not stored yet; three segments or more use a slow uplink well", perCamera, nil,
			func(_ *Config, k *CameraConfig, v string) error {
				n, err := parseSize(v)
				if err == nil && (n < uploader.MinRingBytes || n > uploader.MaxRingBytes) {
					err = fmt.Errorf("must be between %d KiB and %d MiB", uploader.MinRingBytes>>10, uploader.MaxRingBytes>>20)
				}
				k.RingBytes = int(n)
				return err
			}},
		{"segment", "DURATION", "3s", "target length of segments; they are cut at the next IDR picture", perCamera, nil,
			span(uploader.MinSegmentDuration, uploader.MaxSegmentDuration, func(_ *Config, k *CameraConfig) *time.Duration { return &k.Segment })},
		{"tags", "K=V&K=V", "", "S3 object tags of all segments, percent-encoded", perCamera, nil, camera(func(k *CameraConfig) *string { return &k.Tags })},
		{"audio", "", "false", "announce audio from the first segment on", perCamera, nil, toggle(func(k *CameraConfig) *bool { return &k.Audio })},
		{"spool-dir", "DIR", "", "folder on flash for footage that memory cannot hold during an outage; each camera gets a folder in it", perCamera, nil,
			camera(func(k *CameraConfig) *string { return &k.SpoolDir })},
		{"spool-bytes", "SIZE", "256MiB", "most that one camera may keep there", perCamera, nil,
			func(_ *Config, k *CameraConfig, v string) error {
				n, err := parseSize(v)
				if err == nil && n < 1<<20 {
					err = fmt.Errorf("must be 1 MiB at least")
				}
				k.SpoolBytes = n
				return err
			}},
		{"rejected-wait", "DURATION", "45s", "longest pause before another try after the server said no (access denied, no such bucket)", perCamera, nil,
			span(time.Second, time.Hour, func(_ *Config, k *CameraConfig) *time.Duration { return &k.RejectedWait })},

		{"drain", "DURATION", "60s", "how long to go on uploading when the camera or the agent is stopped", global, nil,
			span(0, maxDrain, func(c *Config, _ *CameraConfig) *time.Duration { return &c.Drain })},
		{"state", "DIR", "", "folder for what is worth knowing after a restart: the time; written every 10 minutes", global, nil,
			str(func(c *Config, _ *CameraConfig) *string { return &c.StateDir })},
		{"heartbeat", "FILE", "", "file whose time is set every 10 s while all cameras are healthy, for watchdog scripts", global, nil,
			str(func(c *Config, _ *CameraConfig) *string { return &c.Heartbeat })},
		{"unhealthy-after", "DURATION", "60s", "a camera is unhealthy after failing uploads, or silence, of this length", global, nil,
			span(time.Second, 24*time.Hour, func(c *Config, _ *CameraConfig) *time.Duration { return &c.Unhealthy })},
		{"log", "WHERE", "", "stderr, syslog or none; by default stderr, and with --fd syslog, since the firmware's output is not ours", global, nil,
			func(c *Config, _ *CameraConfig, v string) error {
				if v != "stderr" && v != "syslog" && v != "none" {
					return fmt.Errorf("must be stderr, syslog or none")
				}
				c.Log = v
				return nil
			}},
		{"log-level", "LEVEL", "info", "debug, info, warn or error", global, nil,
			func(c *Config, _ *CameraConfig, v string) error {
				if c.LogLevel.UnmarshalText([]byte(v)) != nil {
					return fmt.Errorf("must be debug, info, warn or error")
				}
				return nil
			}},
		{"keep-text", "", "false", "keep the program's own pages in memory after the first upload and new connections (they are given back by default)", global, nil,
			func(c *Config, _ *CameraConfig, v string) (err error) { c.KeepText, err = parseBool(v); return err }},
	}
}

// DefaultSocket is where the C library looks for a daemon.
const DefaultSocket = "/var/run/s3cam/agent.sock"

// pathStyle tells whether the bucket is in the path.
func (k *CameraConfig) pathStyle() bool {
	return k.PathStyle == "yes" || k.PathStyle == "" && k.Endpoint != "" && !k.BucketInHost
}

// secret tells whether a setting's value must not be shown.
func (s *setting) secret() bool { return s.name == "secret-key" || s.name == "session-token" }

func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("is neither true nor false")
}

// parseSize reads bytes with an optional unit, powers of 1024: 4194304, 4M, 4MiB, 512k.
func parseSize(v string) (int64, error) {
	digits := strings.TrimRight(v, "KMGiBkmgb ")
	shift := 0
	switch unit := strings.ToLower(strings.TrimSpace(v[len(digits):])); strings.TrimSuffix(strings.TrimSuffix(unit, "b"), "i") {
	case "":
	case "k":
		shift = 10
	case "m":
		shift = 20
	case "g":
		shift = 30
	default:
		return 0, fmt.Errorf("is no size such as 512K, 4MiB or 1G")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<50>>shift {
		return 0, fmt.Errorf("is no size such as 512K, 4MiB or 1G")
	}
	return n << shift, nil
}
