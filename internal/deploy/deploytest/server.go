// SPDX-License-Identifier: Apache-2.0

package deploytest

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Account owns everything that is not said to be somebody else's.
const Account = "123456789012"

// Server is the whole of it. Its methods may be used at any time.
type Server struct {
	URL string

	mu        sync.Mutex
	t         testing.TB
	denied    map[string]bool
	simulated map[string]bool
	calls     []string
	stacks    []*stack
	sets      map[string]*changeSet
	buckets   map[string]*bucket
	iot       iot
	ids       int
	began     time.Time
	caller    string
	script    map[string][]Step
	changes   []Change
	refusal   string
}

// SetScript says what happens in an operation (create, update, delete), after the first step that the server takes by itself.
// With nil the operation succeeds.
func (s *Server) SetScript(operation string, steps []Step) {
	s.locked(func() { s.script[operation] = steps })
}

// SetChanges says what the next change sets for updates list. Without it they change PlaylistFunction.
func (s *Server) SetChanges(changes ...Change) { s.locked(func() { s.changes = changes }) }

// SetRefusal lets change sets fail for a reason.
func (s *Server) SetRefusal(reason string) { s.locked(func() { s.refusal = reason }) }

// SetCaller says who the caller is, an ARN.
func (s *Server) SetCaller(arn string) { s.locked(func() { s.caller = arn }) }

// Step is one event of a stack; the zero Step is a look at which nothing has happened. Stack is the stack's status from then on, ""
// when it stays.
type Step struct {
	Logical, Type, Status, Reason string
	Stack                         string
}

// Change is a line of a change set.
type Change struct{ Action, Logical, Type, Physical, Replacement string }

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{caller: "arn:aws:iam::" + Account + ":user/tester", script: map[string][]Step{}, t: t, denied: map[string]bool{}, simulated: map[string]bool{},
		sets: map[string]*changeSet{}, buckets: map[string]*bucket{}, iot: iot{map[string]map[string]string{}, map[string]*certificate{}}, began: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Config is for SDK clients.
func (s *Server) Config(region string) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""), RetryMaxAttempts: 1}
}

// Env is for programs.
func (s *Server) Env(region string) []string {
	return []string{"AWS_ENDPOINT_URL=" + s.URL, "AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=" + region,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1"}
}

// Deny refuses an IAM action, such as s3:CreateBucket, when it is tried.
func (s *Server) Deny(action string) { s.locked(func() { s.denied[action] = true }) }

// DenySimulated makes IAM's simulator say that an action is denied.
func (s *Server) DenySimulated(action string) { s.locked(func() { s.simulated[action] = true }) }

// Calls lists what was asked so far, such as "cloudformation:CreateChangeSet" or "s3:PUT /bucket/key".
func (s *Server) Calls() []string {
	var calls []string
	s.locked(func() { calls = append(calls, s.calls...) })
	return calls
}

// Wrote tells what was asked that changes something.
func (s *Server) Wrote() []string {
	var wrote []string
	for _, c := range s.Calls() {
		_, op, _ := strings.Cut(c, ":")
		if strings.HasPrefix(op, "Create") || strings.HasPrefix(op, "Execute") || strings.HasPrefix(op, "Delete") || strings.HasPrefix(op, "PUT") ||
			strings.HasPrefix(op, "POST") || strings.HasPrefix(op, "DELETE") {
			wrote = append(wrote, c)
		}
	}
	return wrote
}

func (s *Server) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// ServeHTTP tells the protocols apart: the query services POST a form to the root.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if s.serveIoT(w, r, body) {
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		s.serveS3(w, r, body)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		s.t.Errorf("deploytest: %v", err)
	}
	s.serveQuery(w, form)
}

func (s *Server) serveQuery(w http.ResponseWriter, form url.Values) {
	action := form.Get("Action")
	service := map[string]string{"2010-05-15": "cloudformation", "2011-06-15": "sts", "2010-05-08": "iam"}[form.Get("Version")]
	s.calls = append(s.calls, service+":"+action)
	if s.denied[service+":"+action] {
		queryError(w, 403, "AccessDenied", fmt.Sprintf("User: %s is not authorized to perform: %s:%s on resource: *", s.caller, service, action))
		return
	}
	var result string
	var fault *fault
	switch service + ":" + action {
	case "sts:GetCallerIdentity":
		result = element("Arn", s.caller) + element("Account", Account) + element("UserId", "AIDATEST")
	case "iam:SimulatePrincipalPolicy":
		result = s.simulate(form)
	default:
		if service != "cloudformation" {
			s.t.Errorf("deploytest: %s:%s is not known", service, action)
		}
		result, fault = s.cloudFormation(action, form)
	}
	if fault != nil {
		queryError(w, 400, fault.code, fault.message)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata><RequestId>test</RequestId></ResponseMetadata></%[1]sResponse>", action, result)
}

type fault struct{ code, message string }

func queryError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type>%s%s</Error><RequestId>test</RequestId></ErrorResponse>", element("Code", code), element("Message", message))
}

func (s *Server) simulate(form url.Values) string {
	var b strings.Builder
	b.WriteString("<EvaluationResults>")
	for i := 1; form.Has(fmt.Sprintf("ActionNames.member.%d", i)); i++ {
		action := form.Get(fmt.Sprintf("ActionNames.member.%d", i))
		decision := "allowed"
		if s.simulated[action] {
			decision = "implicitDeny"
		}
		b.WriteString("<member>" + element("EvalActionName", action) + element("EvalDecision", decision) + "</member>")
	}
	b.WriteString("</EvaluationResults>")
	return b.String()
}

// element is one XML element with text, nothing when the text is empty.
func element(name, text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("<" + name + ">")
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		return ""
	}
	b.WriteString("</" + name + ">")
	return b.String()
}
