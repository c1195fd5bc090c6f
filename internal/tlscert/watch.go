// SPDX-License-Identifier: Apache-2.0

package tlscert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// watch remembers why an authority did not do what it was asked: a renewal fails in the background, and the manager tells nobody.
//
// It also completes answers to "finalize". RFC 8555 7.4 does not ask for the order's address in them, and Let's Encrypt's own test
// authority leaves it out, but acme.Client looks for the certificate there and nowhere else.
type watch struct {
	transport http.RoundTripper

	mu     sync.Mutex
	why    string
	orders map[string]string // addresses of orders by what finalizes them
}

const maxOrders = 100 // that are remembered

// last is what went wrong last, empty when nothing did.
func (w *watch) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why
}

func (w *watch) set(why string) {
	w.mu.Lock()
	w.why = strings.Join(strings.Fields(why[:min(len(why), 500)]), " ")
	w.mu.Unlock()
}

// problem is what matters of answers of RFC 8555: problem documents (6.7), and orders, authorizations and challenges (7.1) that failed.
type problem struct {
	Type, Detail string
	Status       any // a number in problem documents, a word in objects
	Error        *problem
	Challenges   []problem
	Finalize     string // of orders
}

const maxAnswer = 1 << 20

// RoundTrip is for http.Client.
func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.transport.RoundTrip(r)
	if err != nil {
		w.set(err.Error())
		return nil, err
	}
	if !strings.Contains(res.Header.Get("Content-Type"), "json") {
		if res.StatusCode >= 400 {
			w.set(fmt.Sprintf("%s answers %s", r.URL, res.Status))
		}
		return res, nil
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	res.Body.Close()
	if err != nil {
		w.set(err.Error())
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	var p problem
	if json.Unmarshal(text, &p) != nil {
		return res, nil
	}
	w.complete(res, r.URL.String(), p.Finalize)
	switch why := p.text(); {
	case why != "" && (res.StatusCode >= 400 || p.Status == "invalid"):
		if !strings.HasSuffix(p.Type, ":badNonce") { // the client tries again
			w.set(why)
		}
	case p.Status == "valid" && strings.Contains(string(text), `"certificate"`):
		w.set("")
	}
	return res, nil
}

// complete gives the answer to finalize the order's address.
func (w *watch) complete(res *http.Response, asked, finalize string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch at := res.Header.Get("Location"); {
	case at == "" && w.orders[asked] != "":
		res.Header.Set("Location", w.orders[asked])
	case at != "" && finalize != "":
		if w.orders == nil || len(w.orders) >= maxOrders {
			w.orders = map[string]string{}
		}
		w.orders[finalize] = at
	}
}

// text is the most that it tells.
func (p *problem) text() string {
	if p.Detail != "" {
		return p.Detail + " (" + p.Type + ")"
	}
	if p.Error != nil {
		return p.Error.text()
	}
	for i := range p.Challenges {
		if t := p.Challenges[i].text(); t != "" {
			return t
		}
	}
	return ""
}
