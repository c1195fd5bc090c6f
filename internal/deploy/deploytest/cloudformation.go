// SPDX-License-Identifier: Apache-2.0

package deploytest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

type stack struct {
	name, id, status, reason string
	parameters, outputs      map[string]string
	tags                     map[string]string
	resources                map[string]string // logical -> physical
	template                 string
	events                   []event
	pending                  []Step
}

type event struct {
	id   string
	when time.Time
	Step
}

type changeSet struct {
	id, status, reason string
	of                 *stack
	create             bool
	template           string
	parameters, tags   map[string]string
	changes            []Change
}

// AddStack puts a stack there, as if it had been made before.
func (s *Server) AddStack(name, status string, parameters, outputs, resources map[string]string) {
	s.locked(func() {
		st := s.newStack(name, status)
		maps.Copy(st.parameters, parameters)
		maps.Copy(st.outputs, outputs)
		maps.Copy(st.resources, resources)
	})
}

// Status returns the status of a stack, "" when there is none.
func (s *Server) Status(name string) (status string) {
	s.locked(func() {
		if st := s.find(name); st != nil {
			status = st.status
		}
	})
	return status
}

// Parameters returns those of a stack.
func (s *Server) Parameters(name string) (p map[string]string) {
	s.locked(func() {
		if st := s.find(name); st != nil {
			p = maps.Clone(st.parameters)
		}
	})
	return p
}

// Begin lets an operation that somebody else has begun be under way.
func (s *Server) Begin(name, operation string) {
	s.locked(func() { s.begin(s.find(name), operation) })
}

func (s *Server) newStack(name, status string) *stack {
	s.ids++
	st := &stack{name: name, id: fmt.Sprintf("arn:aws:cloudformation:region:%s:stack/%s/%08x-0000-0000-0000-000000000000", Account, name, s.ids), status: status,
		parameters: map[string]string{}, outputs: map[string]string{}, tags: map[string]string{}, resources: map[string]string{}}
	s.stacks = append(s.stacks, st)
	return st
}

// find looks for a name among the living, for an id among all.
func (s *Server) find(name string) *stack {
	for _, st := range slices.Backward(s.stacks) {
		if st.id == name || st.name == name && st.status != "DELETE_COMPLETE" {
			return st
		}
	}
	return nil
}

// begin takes the first step of an operation and plans the others.
func (s *Server) begin(st *stack, operation string) {
	upper := strings.ToUpper(operation)
	s.happen(st, Step{Logical: st.name, Type: "AWS::CloudFormation::Stack", Status: upper + "_IN_PROGRESS", Reason: "User Initiated", Stack: upper + "_IN_PROGRESS"})
	st.pending = slices.Clone(s.script[operation])
	if st.pending == nil {
		for _, r := range [][2]string{{"S3VideoBucket", "AWS::S3::Bucket"}, {"PlaylistFunction", "AWS::Lambda::Function"}} {
			done := upper + "_COMPLETE"
			if operation == "delete" && r[0] == "S3VideoBucket" {
				done = "DELETE_SKIPPED"
			}
			st.pending = append(st.pending, Step{Logical: r[0], Type: r[1], Status: upper + "_IN_PROGRESS"}, Step{Logical: r[0], Type: r[1], Status: done})
		}
		st.pending = append(st.pending, Step{Logical: st.name, Type: "AWS::CloudFormation::Stack", Status: upper + "_COMPLETE", Stack: upper + "_COMPLETE"})
	}
}

func (s *Server) happen(st *stack, step Step) {
	if step == (Step{}) {
		return
	}
	s.ids++
	st.events = append(st.events, event{fmt.Sprintf("event-%d", s.ids), s.began.Add(time.Duration(s.ids) * time.Second), step})
	if step.Stack != "" {
		st.status, st.reason = step.Stack, step.Reason
	}
}

func unknown(name string) *fault {
	return &fault{"ValidationError", "Stack with id " + name + " does not exist"}
}

func (s *Server) cloudFormation(action string, form url.Values) (string, *fault) {
	name := form.Get("StackName")
	st := s.find(name)
	if st == nil && action != "CreateChangeSet" && name != "" && action != "DeleteStack" {
		return "", unknown(name)
	}
	switch action {
	case "DescribeStacks":
		if len(st.pending) > 0 {
			step := st.pending[0]
			st.pending = st.pending[1:]
			s.happen(st, step)
		}
		return "<Stacks><member>" + st.xml() + "</member></Stacks>", nil
	case "DescribeStackEvents":
		return st.page(form.Get("NextToken")), nil
	case "DescribeStackResources":
		logical := form.Get("LogicalResourceId")
		if st.resources[logical] == "" {
			return "", &fault{"ValidationError", "Resource " + logical + " does not exist for stack " + name}
		}
		return "<StackResources><member>" + element("LogicalResourceId", logical) + element("PhysicalResourceId", st.resources[logical]) +
			element("ResourceStatus", "CREATE_COMPLETE") + "</member></StackResources>", nil
	case "DeleteStack":
		switch {
		case st == nil:
		case st.status == "REVIEW_IN_PROGRESS":
			st.status = "DELETE_COMPLETE"
		default:
			s.begin(st, "delete")
		}
		return "", nil
	case "CreateChangeSet":
		return s.createChangeSet(st, form)
	}
	set := s.sets[form.Get("ChangeSetName")]
	if set == nil {
		return "", &fault{"ChangeSetNotFound", "ChangeSet " + form.Get("ChangeSetName") + " does not exist"}
	}
	switch action {
	case "DescribeChangeSet":
		return set.xml(), nil
	case "DeleteChangeSet":
		delete(s.sets, set.id)
		return "", nil
	case "ExecuteChangeSet":
		delete(s.sets, set.id)
		set.of.template, set.of.parameters, set.of.tags = set.template, set.parameters, set.tags
		if set.create {
			set.of.outputs = map[string]string{"VideoBucketName": "ipc-video-bucket-" + Account + "-0badcafe",
				"ApiGatewayNearRealtimePlaylistRoute": "https://api.example/playlist.m3u8", "ApiGatewayReplayPlaylistRoute": "https://api.example/replay.m3u8",
				"DemoReplayUrl": "https://site.example/#/play/demo/2021-01-01%2000:00:00", "DeviceRoleAliasName": set.of.name + "-device", "IoTCredentialEndpoint": "c0.credentials.iot.example"}
			set.of.resources = map[string]string{"S3VideoBucket": "ipc-video-bucket-" + Account + "-0badcafe", "DeviceIotPolicy": set.of.name + "-device"}
			s.begin(set.of, "create")
		} else {
			s.begin(set.of, "update")
		}
		return "", nil
	}
	return "", &fault{"InvalidAction", action}
}

func (s *Server) createChangeSet(st *stack, form url.Values) (string, *fault) {
	create := form.Get("ChangeSetType") == "CREATE"
	switch {
	case !create && st == nil:
		return "", unknown(form.Get("StackName"))
	case create && st == nil:
		st = s.newStack(form.Get("StackName"), "REVIEW_IN_PROGRESS")
	case create && st.status != "REVIEW_IN_PROGRESS":
		return "", &fault{"ValidationError", "Stack [" + st.name + "] already exists and cannot be created again with the changeSet"}
	case !create && !strings.HasSuffix(st.status, "UPDATE_COMPLETE") && !slices.Contains([]string{"CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}, st.status):
		return "", &fault{"ValidationError", "Stack:" + st.id + " is in " + st.status + " state and can not be updated."}
	case form.Get("Capabilities.member.1") != "CAPABILITY_NAMED_IAM":
		return "", &fault{"InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]"}
	}
	s.ids++
	set := &changeSet{id: fmt.Sprintf("arn:aws:cloudformation:region:%s:changeSet/%s/%d", Account, form.Get("ChangeSetName"), s.ids), of: st, create: create,
		status: "CREATE_COMPLETE", template: form.Get("TemplateBody"), parameters: map[string]string{}, tags: map[string]string{}}
	if len(set.template) > 51200 {
		return "", &fault{"ValidationError", "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200"}
	}
	if u := form.Get("TemplateURL"); u != "" {
		bucket, key := split(u)
		b := s.buckets[bucket]
		if b == nil || b.objects[key] == nil {
			return "", &fault{"ValidationError", "S3 error: The specified key does not exist: " + u}
		}
		set.template = string(b.objects[key])
	}
	for i := 1; form.Has(fmt.Sprintf("Parameters.member.%d.ParameterKey", i)); i++ {
		at := fmt.Sprintf("Parameters.member.%d.", i)
		key := form.Get(at + "ParameterKey")
		if set.parameters[key] = form.Get(at + "ParameterValue"); form.Get(at+"UsePreviousValue") == "true" {
			set.parameters[key] = st.parameters[key]
		}
	}
	for i := 1; form.Has(fmt.Sprintf("Tags.member.%d.Key", i)); i++ {
		set.tags[form.Get(fmt.Sprintf("Tags.member.%d.Key", i))] = form.Get(fmt.Sprintf("Tags.member.%d.Value", i))
	}
	switch {
	case s.refusal != "":
		set.status, set.reason = "FAILED", s.refusal
	case create:
		set.changes = []Change{{"Add", "PlaylistFunction", "AWS::Lambda::Function", "", ""}, {"Add", "S3VideoBucket", "AWS::S3::Bucket", "", ""}}
	case s.changes != nil:
		set.changes = s.changes
	case maps.Equal(set.parameters, st.parameters) && set.template == st.template:
		set.status, set.reason = "FAILED", "The submitted information didn't contain changes. Submit different information to create a change set."
	default:
		set.changes = []Change{{"Modify", "PlaylistFunction", "AWS::Lambda::Function", "IPC-Playlist-0badcafe", "False"}}
	}
	s.sets[set.id] = set
	return element("Id", set.id) + element("StackId", st.id), nil
}

// split takes the address of an object apart, with the bucket in the host.
func split(address string) (bucket, key string) {
	u, err := url.Parse(address)
	if err != nil {
		return "", ""
	}
	bucket, _, _ = strings.Cut(u.Host, ".s3.")
	return bucket, strings.TrimPrefix(u.Path, "/")
}

func list(name string, of map[string]string, key, value string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(of)) {
		v := of[k]
		b.WriteString("<member>" + element(key, k) + "<" + value + ">" + strings.TrimSuffix(strings.TrimPrefix(element("x", v), "<x>"), "</x>") + "</" + value + "></member>")
	}
	return "<" + name + ">" + b.String() + "</" + name + ">"
}

func (st *stack) xml() string {
	return element("StackName", st.name) + element("StackId", st.id) + element("StackStatus", st.status) + element("StackStatusReason", st.reason) +
		element("CreationTime", "2026-11-25T09:00:00Z") + list("Parameters", st.parameters, "ParameterKey", "ParameterValue") +
		list("Outputs", st.outputs, "OutputKey", "OutputValue") + list("Tags", st.tags, "Key", "Value")
}

// page lists three events at a time, the newest first.
func (st *stack) page(token string) string {
	begin, size := 0, 3
	if _, err := fmt.Sscanf(token, "page-%d", &begin); err != nil {
		begin = 0
	}
	var b strings.Builder
	b.WriteString("<StackEvents>")
	newest := slices.Clone(st.events)
	slices.Reverse(newest)
	for i := begin; i < min(begin+size, len(newest)); i++ {
		e := newest[i]
		physical := "physical-" + e.Logical
		if e.Type == "AWS::CloudFormation::Stack" {
			physical = st.id
		}
		b.WriteString("<member>" + element("EventId", e.id) + element("StackId", st.id) + element("StackName", st.name) + element("Timestamp", e.when.Format(time.RFC3339)) +
			element("LogicalResourceId", e.Logical) + element("PhysicalResourceId", physical) + element("ResourceType", e.Type) + element("ResourceStatus", e.Status) +
			element("ResourceStatusReason", e.Reason) + "</member>")
	}
	b.WriteString("</StackEvents>")
	if begin+size < len(newest) {
		b.WriteString(element("NextToken", fmt.Sprintf("page-%d", begin+size)))
	}
	return b.String()
}

func (c *changeSet) xml() string {
	var b strings.Builder
	b.WriteString(element("ChangeSetId", c.id) + element("Status", c.status) + element("StatusReason", c.reason) + "<Changes>")
	for _, ch := range c.changes {
		b.WriteString("<member><Type>Resource</Type><ResourceChange>" + element("Action", ch.Action) + element("LogicalResourceId", ch.Logical) +
			element("ResourceType", ch.Type) + element("PhysicalResourceId", ch.Physical) + element("Replacement", ch.Replacement) + "</ResourceChange></member>")
	}
	b.WriteString("</Changes>")
	return b.String()
}
