// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/test/aws/cfntest"
)

var update = flag.Bool("update", false, "write the tables of docs/ref/aws.md")

// docs/ref/aws.md says what the templates say.
func TestPageTemplateTables(t *testing.T) {
	const path = "../../docs/ref/aws.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := page
	for name, table := range map[string]string{"parameters": parameterTable(t), "resources": resourceTable(t), "routes": routeTable(t),
		"permissions": permissionTable(t), "outputs": outputTable(t)} {
		at := regexp.MustCompile(`(?s)<!-- ` + name + ` -->\n(.*?)<!-- end -->`).FindSubmatchIndex(want)
		if at == nil {
			t.Fatalf("%s has no block %s", path, name)
		}
		want = bytes.Join([][]byte{want[:at[2]], []byte(table), want[at[3]:]}, nil)
	}
	if bytes.Equal(page, want) {
		return
	}
	if !*update {
		t.Fatalf("the tables of docs/ref/aws.md are not what the templates say; run go test ./test/aws -run TestPageTemplate -update")
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// cell is text within a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ")
}

// both is what both partitions say, or each its own.
func both(global, china string) string {
	if global == china {
		return global
	}
	if global == "" || china == "" {
		return global + china
	}
	if strings.HasSuffix(global, ".") {
		return global + " China: " + china
	}
	return global + "; China: " + china
}

func parameterTable(t *testing.T) string {
	t.Helper()
	describe := func(p cfntest.Parameter) (value, limits string) {
		value = "`" + p.Default + "`"
		if p.Default == "" {
			value = "empty"
		}
		if !p.HasDefault {
			value = "none"
		}
		switch {
		case len(p.Allowed) > 5:
			limits = p.Allowed[0] + " to " + p.Allowed[len(p.Allowed)-1] + ", the steps of CloudWatch Logs"
		case len(p.Allowed) > 0:
			limits = strings.Join(p.Allowed, ", ")
		default:
			limits = p.Constraint
		}
		if p.MaxLength != "" {
			limits += " At most " + p.MaxLength + " characters."
		}
		return value, limits
	}
	inChina := map[string]cfntest.Parameter{}
	for _, p := range template(t, "china").Parameters {
		inChina[p.Name] = p
	}
	var b strings.Builder
	b.WriteString("| name | default | meaning | allowed |\n|---|---|---|---|\n")
	for _, p := range template(t, "global").Parameters {
		c := inChina[p.Name]
		value, limits := describe(p)
		chinaValue, chinaLimits := describe(c)
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", p.Name, both(value, chinaValue), cell(both(p.Description, c.Description)), cell(both(limits, chinaLimits)))
	}
	return b.String()
}

// name is the name that a resource gets, as the template writes it.
func name(raw map[string]any) string {
	properties, _ := raw["Properties"].(map[string]any)
	for _, property := range []string{"BucketName", "FunctionName", "RoleName", "TableName", "LogGroupName", "RoleAlias", "PolicyName"} {
		sub, _ := properties[property].(map[string]any)
		if list, _ := sub["Fn::Sub"].([]any); len(list) == 2 {
			s := regexp.MustCompile(`\$\{([A-Za-z0-9:]+)\}`).ReplaceAllString(list[0].(string), "<$1>")
			return "`" + strings.NewReplacer("<Id>", "<id>", "AWS::AccountId", "account").Replace(s) + "`"
		}
	}
	return ""
}

func resourceTable(t *testing.T) string {
	t.Helper()
	global, china := template(t, "global"), template(t, "china")
	ids := global.Resources()
	for _, id := range china.Resources() {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	where := func(tp *cfntest.Template, id string) string {
		raw := tp.Raw(id)
		if raw == nil {
			return "no"
		}
		if c, ok := raw["Condition"].(string); ok {
			return c
		}
		return "always"
	}
	var b strings.Builder
	b.WriteString("| logical id | type | name | there | when the stack is deleted |\n|---|---|---|---|---|\n")
	for _, id := range ids {
		raw, kind := global.Raw(id), global.Type(id)
		if raw == nil {
			raw, kind = china.Raw(id), china.Type(id)
		}
		if kind == "AWS::ApiGatewayV2::Route" || kind == "AWS::ApiGatewayV2::Integration" || kind == "AWS::Lambda::Permission" {
			continue
		}
		end := "deleted"
		if d, _ := raw["DeletionPolicy"].(string); strings.HasPrefix(d, "Retain") {
			end = "**kept**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", id, strings.TrimPrefix(kind, "AWS::"), name(raw), both(where(global, id), where(china, id)), end)
	}
	return b.String() + "\nRoutes, integrations and the permissions of API Gateway to call the functions are in the table of routes.\n"
}

func routeTable(t *testing.T) string {
	t.Helper()
	st := evaluate(t, "global")
	routes, err := st.Routes()
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ methods, function string }
	rows := map[string]row{}
	for _, r := range routes {
		method, path, _ := strings.Cut(r.Key, " ")
		old := rows[path]
		methods := strings.Trim(old.methods+", "+method, ", ")
		f := st.Resources[r.Function]
		rows[path] = row{methods, fmt.Sprintf("%s | %s MB | %s s | %.0f s", r.Function, f.Text("MemorySize"), f.Text("Timeout"), r.Timeout.Seconds())}
	}
	var b strings.Builder
	b.WriteString("| path | methods | function | memory | it may run | the gateway waits |\n|---|---|---|---|---|---|\n")
	for _, path := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", path, rows[path].methods, rows[path].function)
	}
	return b.String()
}

func permissionTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| policy | action | on | if |\n|---|---|---|---|\n")
	st := evaluate(t, "global", domains("global")...)
	short := strings.NewReplacer("arn:aws:s3:::"+videoBucket, "<video>", "arn:aws:s3:::"+siteBucket, "<site>",
		"arn:aws:", "", "eu-central-1:123456789012:", "", "cloudfront::123456789012:", "cloudfront:", "0a1b2c3d", "<id>", "::", ":")
	for _, id := range []string{"PlaylistRole", "ReplayRole", "CamerasRole", "DemositeRole", "DeviceRole", "DeviceIotPolicy", "VideoBucketPolicy", "WebsiteBucketPolicy"} {
		p, err := st.Policy(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p {
			actions := strings.Join(s.Actions, ", ")
			if !s.Allow {
				actions = "**deny** " + actions
			}
			if s.Principal != nil {
				actions += " to " + strings.Join(s.Principal, ", ")
			}
			var conditions []string
			for _, c := range s.Condition {
				conditions = append(conditions, fmt.Sprintf("%s %s `%s`", c.Key, c.Operator, short.Replace(strings.Join(c.Values, "` or `"))))
			}
			fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", id, cell(actions), short.Replace(strings.Join(s.Resources, "`, `")), cell(strings.Join(conditions, ", ")))
		}
	}
	return b.String() + "\nIn China the last one allows the origin access identity instead, and only with HasSiteDomain.\n"
}

func outputTable(t *testing.T) string {
	t.Helper()
	text := func(v any, key string) string {
		m, _ := v.(map[string]any)
		s, _ := m[key].(string)
		return s
	}
	there := func(v any) string {
		if v == nil {
			return "no"
		}
		if c := text(v, "Condition"); c != "" {
			return c
		}
		return "always"
	}
	global, china := template(t, "global").RawOutputs(), template(t, "china").RawOutputs()
	var b strings.Builder
	b.WriteString("| name | there | meaning |\n|---|---|---|\n")
	first := []string{"ApiGatewayNearRealtimePlaylistRoute", "ApiGatewayReplayPlaylistRoute", "DemoReplayUrl"}
	names := slices.Clone(first)
	for _, name := range slices.Sorted(maps.Keys(global)) {
		if !slices.Contains(first, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		g, c := global[name], china[name]
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, both(there(g), there(c)), cell(both(text(g, "Description"), text(c, "Description"))))
	}
	return b.String()
}
