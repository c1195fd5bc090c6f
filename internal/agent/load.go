// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/s3cam/s3cam/segment"
)

// maxConfigFile bounds the configuration file.
const maxConfigFile = 64 << 10

// ErrUsage matches errors about settings, wherever they came from.
var ErrUsage = errors.New("settings")

// usageError is a list of wrong settings, or one of them.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == ErrUsage }

// Usagef makes an error that matches [ErrUsage].
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Load makes a Config of the arguments after the command, the environment (as os.Environ gives it) and the configuration file.
// A flag counts more than the environment, that more than the file, that more than the default. The error names everything that is wrong;
// [ErrHelp] means that help was asked for.
func Load(args, environ []string) (Config, error) {
	table := settings()
	env := environment(environ)
	flags := map[string]string{}
	path, err := parseFlags(table, args, flags)
	if err != nil {
		return Config{}, err
	}
	if path == "" {
		path = env["S3CAM_CONFIG"]
	}
	top, sections := map[string]string{}, map[string]map[string]string{}
	var problems []error
	c := Config{File: path, Cameras: map[string]CameraConfig{}}
	if path != "" {
		text, public, err := readConfig(path)
		if err != nil {
			return Config{}, Usagef("%w", err)
		}
		top, sections, problems = parseFile(table, path, text)
		c.Exposed = public && (strings.Contains(text, "secret") || strings.Contains(text, "token"))
	}

	apply := func(k *CameraConfig, where string, section map[string]string, only scope) {
		for i := range table {
			s := &table[i]
			if only == perCamera && s.scope != perCamera {
				continue
			}
			value, from := s.def, "default"
			if v, ok := top[s.name]; ok {
				value, from = v, path
			}
			if v, ok := section[s.name]; ok {
				value, from = v, path+" "+where
			}
			if s.scope != flagOnly {
				for _, name := range append([]string{s.envName()}, s.env...) {
					if v := env[name]; v != "" {
						value, from = v, name
						break
					}
				}
			}
			if v, ok := flags[s.name]; ok {
				value, from = v, "--"+s.name
			}
			if value == "" {
				continue
			}
			if err := s.set(&c, k, value); err != nil {
				shown := fmt.Sprintf(" %q", value)
				if s.secret() {
					shown = ""
				}
				problems = append(problems, fmt.Errorf("%s: %s%s %w", from, s.name, shown, err))
			}
		}
		problems = append(problems, k.check(where)...)
	}
	apply(&c.Camera, "", nil, global)
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		k := CameraConfig{Name: name}
		apply(&k, "[camera "+name+"]", sections[name], perCamera)
		c.Cameras[name] = k
	}
	if len(sections) > MaxCameras {
		problems = append(problems, fmt.Errorf("%s has %d cameras, at most %d are possible", path, len(sections), MaxCameras))
	}
	if c.FD != 0 {
		// S3CAM_SOCKET in the environment, or a daemon's file, is for the firmware that starts this process.
		if _, ok := flags["socket"]; !ok {
			c.Socket = ""
		}
		if _, ok := flags["input"]; !ok {
			c.Camera.Input = ""
			for name, k := range c.Cameras {
				k.Input = ""
				c.Cameras[name] = k
			}
		}
	}
	switch {
	case c.Log != "":
	case c.FD != 0:
		c.Log = "syslog"
	default:
		c.Log = "stderr"
	}
	if len(problems) > 0 {
		return Config{}, usageError{errors.Join(unique(problems)...)}
	}
	return c, nil
}

// unique drops errors with the same text: a wrong value at the top is found again for each camera.
func unique(errs []error) []error {
	seen := map[string]bool{}
	return slices.DeleteFunc(errs, func(e error) bool {
		was := seen[e.Error()]
		seen[e.Error()] = true
		return was
	})
}

func environment(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok {
			env[name] = value
		}
	}
	return env
}

// ErrHelp is returned by [Load] and [ParseFlags] for --help.
var ErrHelp = errors.New("help was asked for")

// ParseFlags reads arguments of the forms --name value, --name=value and, for switches, --name, with one dash or two, and hands them to
// set. known says whether there is such a flag and whether it is a switch. (Package flag would cost 25 KB of flash.)
func ParseFlags(args []string, known func(name string) (ok, isSwitch bool), set func(name, value string)) error {
	for i := 0; i < len(args); i++ {
		name := strings.TrimPrefix(strings.TrimPrefix(args[i], "-"), "-")
		if name == args[i] || name == "" {
			return Usagef("%q is no flag; settings are given as --name value", args[i])
		}
		name, value, hasValue := strings.Cut(name, "=")
		ok, isSwitch := known(name)
		switch {
		case !ok && (name == "help" || name == "h"):
			return ErrHelp
		case !ok:
			return Usagef("there is no flag --%s", name)
		case hasValue:
		case isSwitch:
			value = "true"
		case i+1 == len(args):
			return Usagef("--%s needs a value", name)
		default:
			i++
			value = args[i]
		}
		set(name, value)
	}
	return nil
}

func parseFlags(table []setting, args []string, into map[string]string) (config string, err error) {
	err = ParseFlags(args, func(name string) (ok, isSwitch bool) {
		for i := range table {
			if table[i].name == name {
				return true, table[i].arg == ""
			}
		}
		return name == "config", false
	}, func(name, value string) { into[name] = value })
	return into["config"], err
}

// readConfig also tells whether every user can read the file.
func readConfig(path string) (text string, public bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, fmt.Errorf("configuration file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return "", false, fmt.Errorf("configuration file: %w", err)
	}
	if len(b) > maxConfigFile {
		return "", false, fmt.Errorf("configuration file %s has more than %d KiB", path, maxConfigFile>>10)
	}
	info, err := f.Stat()
	return string(b), err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0, nil
}

// parseFile reads the text of a configuration file: lines name = value, sections [camera NAME], comments after # or ; at the start of
// a line. Values may stand in double quotes.
func parseFile(table []setting, path, text string) (top map[string]string, sections map[string]map[string]string, problems []error) {
	known := make(map[string]*setting, len(table))
	for i := range table {
		known[table[i].name] = &table[i]
	}
	top, sections = map[string]string{}, map[string]map[string]string{}
	in, section := top, ""
	bad := func(n int, format string, args ...any) {
		if len(problems) < 20 {
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, n, fmt.Errorf(format, args...)))
		}
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			kind, name, ok2 := strings.Cut(strings.TrimSpace(name), " ")
			section = strings.TrimSpace(name)
			in = map[string]string{}
			switch {
			case !ok || !ok2 || kind != "camera" || section == "":
				bad(n, "%q is no section; write [camera NAME]", line)
			case sections[section] != nil:
				bad(n, "the section of camera %q is there already", section)
			default:
				sections[section] = in
			}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok {
			bad(n, "there is no = in this line; write name = value")
			continue
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		s := known[strings.ReplaceAll(name, "_", "-")]
		switch {
		case s == nil || s.scope == flagOnly:
			bad(n, "there is no setting %q%s", name, suggest(table, name))
		case section != "" && s.scope != perCamera:
			bad(n, "%s cannot differ from camera to camera; write it before the first section", s.name)
		case hasKey(in, s.name):
			bad(n, "%s is set twice", s.name)
		default:
			in[s.name] = value
		}
	}
	return top, sections, problems
}

func hasKey(m map[string]string, k string) bool { _, ok := m[k]; return ok }

// suggest names the setting that a wrong one is a part of, or the other way round.
func suggest(table []setting, name string) string {
	for i := range table {
		if s := table[i].name; table[i].scope != flagOnly && len(name) > 2 && (strings.Contains(s, name) || strings.Contains(name, s)) {
			return "; did you mean " + s + "?"
		}
	}
	return ""
}

// check finds what is wrong with a camera whatever connects to it. Things that the firmware may still set are not missed here.
func (k *CameraConfig) check(where string) (problems []error) {
	bad := func(format string, args ...any) {
		if where != "" {
			format = where + ": " + format
		}
		problems = append(problems, fmt.Errorf(format, args...))
	}
	if k.Prefix == "" {
		k.Prefix = k.IoTThing
	}
	if k.Prefix != "" {
		if _, err := segment.CleanPrefix(k.Prefix); err != nil {
			bad("prefix: %w", err)
		}
	}
	if (k.AccessKey == "") != (k.SecretKey == "") {
		bad("access-key and secret-key go together; one of them is missing")
	}
	iot := []struct{ name, value string }{{"iot-endpoint", k.IoTEndpoint}, {"iot-thing", k.IoTThing}, {"iot-role-alias", k.IoTAlias},
		{"iot-cert", k.IoTCert}, {"iot-key", k.IoTKey}}
	missing, some := []string{}, false
	for _, f := range iot {
		if f.value == "" {
			missing = append(missing, f.name)
		} else {
			some = true
		}
	}
	if some && len(missing) > 0 {
		bad("credentials from AWS IoT also need %s", strings.Join(missing, ", "))
	}
	if k.Input != "" {
		for _, f := range []struct{ name, value string }{{"bucket", k.Bucket}, {"prefix", k.Prefix}} {
			if f.value == "" {
				bad("input needs %s", f.name)
			}
		}
		if k.Region == "" && k.Endpoint == "" {
			bad("input needs region (of AWS) or endpoint")
		}
	}
	return problems
}
