// SPDX-License-Identifier: Apache-2.0

package cfntest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Get walks into the properties of a resource; path is keys and list indices joined by dots ("Environment.Variables",
// "Policies.0.PolicyName"; a key that holds dots cannot be reached). nil when there is nothing.
func (r *Resource) Get(path string) any {
	if r == nil {
		return nil
	}
	var v any = r.Properties
	for part := range strings.SplitSeq(path, ".") {
		switch c := v.(type) {
		case map[string]any:
			v = c[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(c) {
				return nil
			}
			v = c[i]
		default:
			return nil
		}
	}
	return v
}

// Text is Get for a string, "" when there is none.
func (r *Resource) Text(path string) string {
	s, _ := r.Get(path).(string)
	return s
}

// Environment returns the environment variables of a function, by its logical id.
func (s *Stack) Environment(function string) map[string]string {
	vars, _ := s.Resources[function].Get("Environment.Variables").(map[string]any)
	env := make(map[string]string, len(vars))
	for name, v := range vars {
		env[name], _ = v.(string)
	}
	return env
}

// Route is a route of the HTTP API and where it leads.
type Route struct {
	Key      string        // "GET /playlist.m3u8"
	Function string        // logical id of the function that answers
	Timeout  time.Duration // of the integration
	Auth     string        // NONE or JWT
}

// Routes returns the routes of the stack's HTTP API, sorted by key.
func (s *Stack) Routes() ([]Route, error) {
	var routes []Route
	for id, r := range s.Resources {
		if r.Type != "AWS::ApiGatewayV2::Route" {
			continue
		}
		name := strings.Trim(strings.TrimPrefix(r.Text("Target"), "integrations/"), "<>")
		in := s.Resources[name]
		if in == nil || in.Type != "AWS::ApiGatewayV2::Integration" {
			return nil, fmt.Errorf("%s: target %q is no integration of the stack", id, r.Text("Target"))
		}
		ms, err := strconv.Atoi(in.Text("TimeoutInMillis"))
		if err != nil {
			return nil, fmt.Errorf("%s: TimeoutInMillis: %w", name, err)
		}
		route := Route{Key: r.Text("RouteKey"), Timeout: time.Duration(ms) * time.Millisecond, Auth: r.Text("AuthorizationType")}
		for f, fr := range s.Resources {
			if fr.Type == "AWS::Lambda::Function" && strings.HasSuffix(in.Text("IntegrationUri"), ":function:"+fr.Text("FunctionName")) {
				route.Function = f
			}
		}
		if route.Function == "" {
			return nil, fmt.Errorf("%s: %q is no function of the stack", name, in.Text("IntegrationUri"))
		}
		routes = append(routes, route)
	}
	slices.SortFunc(routes, func(a, b Route) int { return cmp.Compare(a.Key, b.Key) })
	return routes, nil
}
