// SPDX-License-Identifier: Apache-2.0

package demosite

import (
	"errors"
	"fmt"
	"strings"

	"github.com/s3cam/s3cam/segment"
)

// properties of the custom resource as the template gives them. ServiceToken, ServiceTimeout and Release are not needed: the
// last is there so that a new release is an Update.
type properties struct {
	WebsiteBucket string // empty: there is no web site
	Path          string // folder of the site: empty, or ending in a slash
	VideoBucket   string
	DemoPrefix    string // camera id of the demo
	ApiEndpoint   string // base URL of the API
}

// DefaultDemoPrefix is the camera id of the demo.
const DefaultDemoPrefix = "demo"

// readProperties reports all problems at once.
func readProperties(in map[string]any) (properties, error) {
	var problems []error
	text := func(name string) string {
		switch v := in[name].(type) {
		case nil:
			return ""
		case string:
			return v
		default:
			problems = append(problems, fmt.Errorf("property %s is a %T, not text", name, v))
			return ""
		}
	}
	p := properties{
		WebsiteBucket: text("WebsiteBucket"), Path: text("Path"), VideoBucket: text("VideoBucket"),
		DemoPrefix: text("DemoPrefix"), ApiEndpoint: text("ApiEndpoint"),
	}
	if p.DemoPrefix == "" {
		p.DemoPrefix = DefaultDemoPrefix
	}
	if err := segment.CheckPrefix(p.DemoPrefix); err != nil {
		problems = append(problems, fmt.Errorf("property DemoPrefix: %w", err))
	}
	if p.VideoBucket == "" {
		problems = append(problems, errors.New("property VideoBucket is missing"))
	}
	if p.VideoBucket != "" && p.VideoBucket == p.WebsiteBucket {
		problems = append(problems, fmt.Errorf("properties WebsiteBucket and VideoBucket name the same bucket %q", p.VideoBucket))
	}
	if p.WebsiteBucket != "" {
		if err := checkPath(p.Path); err != nil {
			problems = append(problems, fmt.Errorf("property Path: %w", err))
		}
		if p.ApiEndpoint == "" {
			problems = append(problems, errors.New("property ApiEndpoint is missing"))
		}
	}
	return p, errors.Join(problems...)
}

func checkPath(path string) error {
	if path == "" {
		return nil
	}
	folder, ok := strings.CutSuffix(path, "/")
	if !ok {
		return fmt.Errorf("%q does not end in a slash", path)
	}
	if err := segment.CheckPrefix(folder); err != nil { // what may not be in a camera's name may not be here
		return fmt.Errorf("%q is no folder: %w", path, err)
	}
	if strings.HasPrefix(path, markFolder) {
		return fmt.Errorf("%q is kept for the marks of written files", markFolder)
	}
	return nil
}
