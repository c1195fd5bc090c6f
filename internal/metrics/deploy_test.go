// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// metricName matches what can be the name of a metric in a query: not a function, keyword, label or number.
var (
	metricName = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
	quoted     = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	selector   = regexp.MustCompile(`\{[^}]*\}`)
	grouping   = regexp.MustCompile(`\b(by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)`)
	duration   = regexp.MustCompile(`\[[^\]]*\]`)
	functions  = regexp.MustCompile(`^(sum|min|max|count|rate|increase|topk|bottomk|histogram_quantile|predict_linear|vector|time|and|or|unless|label_values|instance)$`)
	labels     = regexp.MustCompile(`([a-z]+)\s*(?:=~|!~|!=|=)`)
)

// metricsOf returns the metrics and labels in a query.
func metricsOf(query string) (names []string, labelNames []string) {
	for _, s := range selector.FindAllString(quoted.ReplaceAllString(query, `""`), -1) {
		for _, m := range labels.FindAllStringSubmatch(s, -1) {
			labelNames = append(labelNames, m[1])
		}
	}
	for _, g := range grouping.FindAllString(query, -1) {
		_, in, _ := strings.Cut(strings.TrimSuffix(g, ")"), "(")
		for _, l := range strings.Split(in, ",") {
			labelNames = append(labelNames, strings.TrimSpace(l))
		}
	}
	for _, re := range []*regexp.Regexp{quoted, selector, grouping, duration} {
		query = re.ReplaceAllString(query, " ")
	}
	for _, name := range metricName.FindAllString(query, -1) {
		if !functions.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, labelNames
}

// checkQuery holds a query to the metrics that there are.
func checkQuery(t *testing.T, where, query string, all map[string][2]string, known map[string]bool) {
	t.Helper()
	names, labelNames := metricsOf(query)
	if len(names) == 0 {
		t.Errorf("%s: no metric in %q", where, query)
	}
	for _, name := range names {
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if cut, ok := strings.CutSuffix(name, suffix); ok && all[cut][0] == "histogram" {
				base = cut
			}
		}
		d, ok := all[base]
		switch {
		case name == "up":
		case !ok:
			t.Errorf("%s: there is no metric %s", where, name)
		case d[0] == "histogram" && base == name:
			t.Errorf("%s: %s is a histogram", where, name)
		}
	}
	for _, l := range labelNames {
		if !known[l] {
			t.Errorf("%s: no metric has the label %q", where, l)
		}
	}
}

// knownLabels are the labels of our metrics, and those that Prometheus adds.
func knownLabels(t *testing.T) map[string]bool {
	known := map[string]bool{"instance": true, "job": true, "le": true}
	for name := range scrape(t, everything(t)) {
		for _, m := range regexp.MustCompile(`[{,]([a-z]+)="`).FindAllStringSubmatch(name, -1) {
			known[m[1]] = true
		}
	}
	return known
}

func TestEveryQueryOfTheDashboardUsesMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/s3cam.json")
	if err != nil {
		t.Fatal(err)
	}
	type panel struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ RefID, Expr string }
	}
	var d struct {
		Title, UID    string
		SchemaVersion int
		Panels        []panel
		Templating    struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	all, known := described(t), knownLabels(t)
	ids, queries := map[int]bool{}, 0
	for i, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W <= 0 {
			t.Errorf("panel %q: id %d twice, or no title, or beyond the grid: %+v", p.Title, p.ID, p.GridPos)
		}
		ids[p.ID] = true
		for _, q := range d.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", p.Title, q.Title)
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q has no query", p.Title)
		}
		for _, q := range p.Targets {
			queries++
			if q.RefID == "" {
				t.Errorf("panel %q: a query without a name", p.Title)
			}
			checkQuery(t, "panel "+p.Title, q.Expr, all, known)
		}
	}
	for _, v := range d.Templating.List {
		if v.Definition != "" {
			checkQuery(t, "variable "+v.Name, v.Definition, all, known)
		}
	}
	if d.Title != "s3cam" || d.SchemaVersion == 0 || queries < 30 {
		t.Errorf("%q, schema %d, %d queries", d.Title, d.SchemaVersion, queries)
	}
}

type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var rules []alert
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules
}

func TestEveryAlertUsesMetricsThatExist(t *testing.T) {
	all, known := described(t), knownLabels(t)
	have := map[string]bool{}
	for _, r := range alerts(t) {
		if have[r.Alert] || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("alert %q: twice, or without severity, summary or description", r.Alert)
		}
		have[r.Alert] = true
		checkQuery(t, "alert "+r.Alert, r.Expr, all, known)
	}
	for _, want := range []string{"S3camDown", "S3camCameraSilent", "S3camUploadsFailing", "S3camDiskLow", "S3camCameraSkew", "S3camCertificateExpiring"} {
		if !have[want] {
			t.Errorf("no alert %s", want)
		}
	}
	guide, err := os.ReadFile("../../docs/guide/server.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range have {
		if !strings.Contains(string(guide), name) {
			t.Errorf("docs/guide/server.md does not say what to do about %s", name)
		}
	}
}

// Prometheus itself judges the rules, the queries of the dashboard, and when each alert fires.
func TestPrometheusTakesTheRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED: the alert rules judged by promtool, because it is not installed (apt-get install prometheus)")
	}
	for _, args := range [][]string{
		{"check", "rules", "../../deploy/prometheus/alerts.yaml"},
		{"check", "config", "../../deploy/prometheus/prometheus.yaml"},
		{"test", "rules", "testdata/alerts_test.yaml"},
	} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
