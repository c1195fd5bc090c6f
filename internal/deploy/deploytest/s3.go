// SPDX-License-Identifier: Apache-2.0

package deploytest

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

type bucket struct {
	owner   string
	tags    map[string]string
	objects map[string][]byte
	blocked bool // to the public
	secret  bool // encrypted
}

// AddBucket puts a bucket of an account there, with tags and objects.
func (s *Server) AddBucket(name, owner string, tags map[string]string, keys ...string) {
	s.locked(func() {
		b := &bucket{owner: owner, tags: tags, objects: map[string][]byte{}}
		for _, k := range keys {
			b.objects[k] = []byte("x")
		}
		s.buckets[name] = b
	})
}

// Objects lists the keys in a bucket. ok is false when there is no such bucket.
func (s *Server) Objects(name string) (keys []string, ok bool) {
	s.locked(func() {
		if b := s.buckets[name]; b != nil {
			keys, ok = slices.Sorted(maps.Keys(b.objects)), true
		}
	})
	return keys, ok
}

// Private tells whether a bucket is closed to the public and encrypted.
func (s *Server) Private(name string) (private bool) {
	s.locked(func() { b := s.buckets[name]; private = b != nil && b.blocked && b.secret })
	return private
}

func (s *Server) serveS3(w http.ResponseWriter, r *http.Request, body []byte) {
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	s.calls = append(s.calls, "s3:"+r.Method+" "+r.URL.Path)
	bad := func(status int, code string) {
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, "<Error>%s%s</Error>", element("Code", code), element("Message", code))
		}
	}
	if s.denied["s3:"+action(r, key)] {
		bad(403, "AccessDenied")
		return
	}
	b := s.buckets[name]
	switch {
	case name == "":
		fmt.Fprint(w, "<ListAllMyBucketsResult><Buckets>")
		for _, n := range slices.Sorted(maps.Keys(s.buckets)) {
			if s.buckets[n].owner == Account {
				fmt.Fprint(w, "<Bucket>"+element("Name", n)+"</Bucket>")
			}
		}
		fmt.Fprint(w, "</Buckets></ListAllMyBucketsResult>")
		return
	case b == nil && r.Method == http.MethodPut && key == "":
		s.buckets[name] = &bucket{owner: Account, objects: map[string][]byte{}}
		return
	case b == nil:
		bad(404, "NoSuchBucket")
		return
	case r.Method == http.MethodPut && key == "" && len(q) == 0:
		bad(409, "BucketAlreadyExists")
		return
	case b.owner != Account:
		bad(403, "AccessDenied")
		return
	}
	switch {
	case q.Has("publicAccessBlock"):
		b.blocked = strings.Count(string(body), "true") == 4
	case q.Has("encryption"):
		b.secret = strings.Contains(string(body), "AES256")
	case q.Has("tagging"):
		if len(b.tags) == 0 {
			bad(404, "NoSuchTagSet")
			return
		}
		fmt.Fprint(w, "<Tagging><TagSet>")
		for _, k := range slices.Sorted(maps.Keys(b.tags)) {
			fmt.Fprint(w, "<Tag>"+element("Key", k)+element("Value", b.tags[k])+"</Tag>")
		}
		fmt.Fprint(w, "</TagSet></Tagging>")
	case q.Has("versions"):
		b.versions(w, q.Get("key-marker"))
	case q.Has("delete"):
		var in struct{ Object []struct{ Key string } }
		if err := xml.Unmarshal(body, &in); err != nil {
			s.t.Errorf("deploytest: %v", err)
		}
		for _, o := range in.Object {
			delete(b.objects, o.Key)
		}
		fmt.Fprint(w, "<DeleteResult></DeleteResult>")
	case key == "" && r.Method == http.MethodHead:
	case key == "" && r.Method == http.MethodDelete:
		if len(b.objects) > 0 {
			bad(409, "BucketNotEmpty")
			return
		}
		delete(s.buckets, name)
		w.WriteHeader(204)
	case r.Method == http.MethodPut:
		b.objects[key] = body
	case b.objects[key] == nil:
		bad(404, "NoSuchKey")
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(b.objects[key])))
		if r.Method == http.MethodGet {
			if _, err := w.Write(b.objects[key]); err != nil {
				s.t.Errorf("deploytest: %v", err)
			}
		}
	}
}

// action is the IAM action of a request, of those that tests deny.
func action(r *http.Request, key string) string {
	switch {
	case r.URL.Path == "/":
		return "ListAllMyBuckets"
	case key != "":
		return map[string]string{http.MethodPut: "PutObject", http.MethodHead: "GetObject", http.MethodGet: "GetObject"}[r.Method]
	case r.Method == http.MethodPut && r.URL.RawQuery == "":
		return "CreateBucket"
	case r.Method == http.MethodHead:
		return "ListBucket"
	}
	return ""
}

// versions lists two objects at a time.
func (b *bucket) versions(w http.ResponseWriter, after string) {
	const size = 2
	n := 0
	var last string
	fmt.Fprint(w, "<ListVersionsResult>")
	for _, k := range slices.Sorted(maps.Keys(b.objects)) {
		if k <= after {
			continue
		}
		if n == size {
			fmt.Fprint(w, "<IsTruncated>true</IsTruncated>"+element("NextKeyMarker", last)+element("NextVersionIdMarker", "null"))
			break
		}
		n++
		last = k
		fmt.Fprint(w, "<Version>"+element("Key", k)+element("VersionId", "null")+"</Version>")
	}
	fmt.Fprint(w, "</ListVersionsResult>")
}
