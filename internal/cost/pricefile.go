// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// MaxPriceFile is the size in bytes above which a price file is refused.
const MaxPriceFile = 64 << 10

// Bounds of a price: a single one above maxPrice is absurd in any currency (there are some 25,000 dong in a dollar), and so is
// one that is maxOutlier times away from where the others are, seen from the example: a price per request where one per 1000
// is meant. Regions differ by far less: the dearest transfer costs three times the cheapest.
const (
	maxPrice   = 1e7
	maxOutlier = 100
)

// ErrPrices is wrapped by all errors of ParsePrices.
var ErrPrices = errors.New("price file")

// ParsePrices reads a price file:
//
//	{
//	  "currency": "USD",
//	  "region": "eu-central-1",
//	  "date": "2026-11-25",
//	  "source": "where the prices are from",
//	  "prices": {"s3_put_per_1000": 0.0054, "egress_gib": null, ...}
//	}
//
// All of [Items] must be there; null says that a price is not known. The error names every entry that is missing, unknown,
// given twice, no number, negative or absurd.
func ParsePrices(text []byte) (Prices, error) {
	if len(text) > MaxPriceFile {
		return Prices{}, fmt.Errorf("%w: it is larger than %d bytes", ErrPrices, MaxPriceFile)
	}
	top, err := object(text)
	if err != nil {
		return Prices{}, fmt.Errorf("%w: %w", ErrPrices, err)
	}
	var all []error
	problem := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	p := Prices{Unit: map[Item]float64{}}
	texts := map[string]*string{"currency": &p.Currency, "region": &p.Region, "date": &p.Date, "source": &p.Source}
	var prices json.RawMessage
	for _, f := range top {
		to, known := texts[f.name]
		switch {
		case f.name == "prices":
			prices = f.value
		case !known:
			problem("%q is unknown; there are currency, region, date, source and prices", f.name)
		case json.Unmarshal(f.value, to) != nil || bytes.Equal(f.value, []byte("null")):
			problem("%s is not a string", f.name)
		case len(*to) > 500 || strings.ContainsFunc(*to, func(r rune) bool { return !unicode.IsPrint(r) }):
			problem("%s is longer than 500 bytes, or has characters that cannot be shown", f.name)
			*to = ""
		}
	}
	if !currencyCode(p.Currency) {
		problem("currency is %q; write three capital letters, as USD", p.Currency)
	}
	if p.Region == "" {
		problem("region is missing")
	}
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		problem("date is %q; write the day when the prices held, as 2026-11-25", p.Date)
	}
	if strings.TrimSpace(p.Source) == "" {
		problem("source is missing: say where the prices are from")
	}
	if prices == nil {
		problem("prices is missing")
	} else {
		all = append(all, p.read(prices)...)
	}
	if len(all) > 0 {
		return Prices{}, fmt.Errorf("%w: %w", ErrPrices, errors.Join(all...))
	}
	return p, nil
}

func currencyCode(s string) bool {
	return len(s) == 3 && strings.IndexFunc(s, func(r rune) bool { return r < 'A' || r > 'Z' }) < 0
}

// read takes the object "prices".
func (p *Prices) read(text []byte) (all []error) {
	fields, err := object(text)
	if err != nil {
		return []error{fmt.Errorf("prices: %w", err)}
	}
	problem := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	seen := map[Item]bool{}
	for _, f := range fields {
		item := Item(f.name)
		if _, known := infoOf(item); !known {
			problem("prices: %q is unknown%s", f.name, nearest(f.name))
			continue
		}
		seen[item] = true
		if string(f.value) == "null" {
			continue
		}
		v, err := strconv.ParseFloat(string(f.value), 64)
		switch {
		case f.value[0] != '-' && (f.value[0] < '0' || f.value[0] > '9'):
			problem("prices: %s is not a number", item)
		case err != nil:
			problem("prices: %s is out of range", item)
		case v < 0:
			problem("prices: %s is negative", item)
		case v > maxPrice:
			problem("prices: %s is absurd: %v for %s", item, v, item.Meaning())
		default:
			p.Unit[item] = v
		}
	}
	for _, item := range Items() {
		if !seen[item] {
			problem("prices: %s is missing; write null when it is not known", item)
		}
	}
	if len(all) > 0 {
		return all
	}
	return p.outliers()
}

// outliers finds prices in the wrong unit. Against the example each price has a ratio: the currency and the region. One that
// is far from the middle of all is wrong.
func (p *Prices) outliers() (all []error) {
	var logs []float64
	for _, info := range itemInfos {
		if v := p.Unit[info.item]; v > 0 {
			logs = append(logs, math.Log(v/info.example))
		}
	}
	if len(logs) < 3 {
		return nil
	}
	slices.Sort(logs)
	middle := math.Exp(logs[len(logs)/2])
	for _, info := range itemInfos {
		v := p.Unit[info.item]
		if v <= 0 {
			continue
		}
		if off := v / info.example / middle; off > maxOutlier || off < 1.0/maxOutlier {
			all = append(all, fmt.Errorf("prices: %s is absurd: %v, where the other prices let expect some %.3g (%s)", info.item, v, info.example*middle, info.meaning))
		}
	}
	return all
}

// nearest names the known item that shares the longest beginning with name.
func nearest(name string) string {
	var best Item
	length := 2
	for _, item := range Items() {
		n := 0
		for n < len(name) && n < len(item) && name[n] == item[n] {
			n++
		}
		if n > length {
			best, length = item, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; is %s meant?", best)
}

type field struct {
	name  string
	value json.RawMessage
}

// object reads one JSON object and nothing after it. Unlike encoding/json it refuses a name that comes twice.
func object(text []byte) ([]field, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	t, err := d.Token()
	if err == io.EOF {
		return nil, errors.New("it is empty")
	}
	if err != nil {
		return nil, where(text, err)
	}
	if t != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	var all []field
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, where(text, err)
		}
		name, ok := t.(string)
		if !ok {
			return nil, errors.New("a name is not a string")
		}
		if seen[name] {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, where(text, err)
		}
		all = append(all, field{name, value})
	}
	if _, err := d.Token(); err != nil {
		return nil, where(text, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows after the object")
	}
	return all, nil
}

// where adds the line to a syntax error.
func where(text []byte, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset <= int64(len(text)) {
		return fmt.Errorf("line %d: %w", 1+bytes.Count(text[:syntax.Offset], []byte("\n")), err)
	}
	return err
}

// Format writes p as a price file: ParsePrices reads it back as it was.
func (p Prices) Format() []byte {
	var b bytes.Buffer
	b.WriteString("{\n")
	for _, f := range []struct{ name, value string }{{"currency", p.Currency}, {"region", p.Region}, {"date", p.Date}, {"source", p.Source}} {
		fmt.Fprintf(&b, "  %q: %s,\n", f.name, quote(f.value))
	}
	b.WriteString("  \"prices\": {\n")
	for i, item := range Items() {
		value := "null"
		if v, known := p.Unit[item]; known {
			value = strconv.FormatFloat(v, 'f', -1, 64)
		}
		comma := ","
		if i == len(itemInfos)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "    %q: %s%s\n", string(item), value, comma)
	}
	b.WriteString("  }\n}\n")
	return b.Bytes()
}

func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // no string fails
		return []byte(`""`)
	}
	return bytes.TrimSpace(b.Bytes())
}

// Equal reports whether two sets say the same.
func (p Prices) Equal(q Prices) bool {
	return p.Currency == q.Currency && p.Region == q.Region && p.Date == q.Date && p.Source == q.Source && maps.Equal(p.Unit, q.Unit)
}
