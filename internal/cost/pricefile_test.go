// SPDX-License-Identifier: Apache-2.0

package cost_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/cost"
)

func TestAPrintedPriceFileIsReadBackAsItWas(t *testing.T) {
	for _, region := range cost.ExampleRegions() {
		p, ok := cost.Example(region)
		if !ok {
			t.Fatalf("no example for %s", region)
		}
		got, err := cost.ParsePrices(p.Format())
		if err != nil {
			t.Fatalf("%s: %v\n%s", region, err, p.Format())
		}
		if !got.Equal(p) {
			t.Errorf("%s: read back %+v, want %+v", region, got, p)
		}
		if !strings.HasPrefix(p.Source, "EXAMPLE: ") || p.Date == "" {
			t.Errorf("%s: source %q, date %q, want that it is an example", region, p.Source, p.Date)
		}
	}
	for _, item := range cost.Items() {
		if item.Meaning() == "" {
			t.Errorf("%s has no meaning", item)
		}
	}
	if _, ok := cost.Example("mars-1"); ok {
		t.Error("an example for mars-1")
	}
}

func TestWrongPriceFilesAreRefusedByName(t *testing.T) {
	usd := string(example(t).Format())
	change := func(old, new string) string {
		t.Helper()
		if !strings.Contains(usd, old) {
			t.Fatalf("the example has no %q", old)
		}
		return strings.Replace(usd, old, new, 1)
	}
	line := func(name, value string) string { return `"` + name + `": ` + value }
	put := line("s3_put_per_1000", "0.005")
	tests := []struct {
		name, text string
		want       []string
	}{
		{"an empty file", "", []string{"it is empty"}},
		{"half a file", usd[:len(usd)/2], []string{"it ends too early"}},
		{"no JSON, with the line", "{\n\"currency\": USD}", []string{"line 2", "invalid character"}},
		{"an array", "[]", []string{"not a JSON object"}},
		{"two documents", usd + "{}", []string{"something follows"}},
		{"a name twice", change(`"currency": "USD"`, `"currency": "USD", "currency": "EUR"`), []string{`"currency" is there twice`}},
		{"a price twice", change(put, put+", "+put), []string{`"s3_put_per_1000" is there twice`}},
		{"a missing price", change("    "+put+",\n", ""), []string{"s3_put_per_1000 is missing; write null"}},
		{"an unknown price, with what is meant", change(put, put+", "+line("s3_putt_per_1000", "1")), []string{`"s3_putt_per_1000" is unknown; is s3_put_per_1000 meant?`}},
		{"an unknown entry", change(`"region"`, `"regoin"`), []string{`"regoin" is unknown`, "region is missing"}},
		{"a negative price", change(put, line("s3_put_per_1000", "-0.005")), []string{"s3_put_per_1000 is negative"}},
		{"a price in words", change(put, line("s3_put_per_1000", `"0.005"`)), []string{"s3_put_per_1000 is not a number"}},
		{"a price beyond all numbers", change(put, line("s3_put_per_1000", "1e999")), []string{"s3_put_per_1000 is out of range"}},
		{"an absurd price", change(put, line("s3_put_per_1000", "1e9")), []string{"s3_put_per_1000 is absurd"}},
		{"a price per request instead of per thousand", change(put, line("s3_put_per_1000", "0.000005")), []string{"s3_put_per_1000 is absurd", "some 0.005"}},
		{"a date in another form", change(`"2025-01-01"`, `"1/2025"`), []string{`date is "1/2025"`}},
		{"a currency sign", change(`"USD"`, `"$"`), []string{`currency is "$"`}},
		{"a currency that is no string", change(`"USD"`, `null`), []string{"currency is not a string"}},
		{"no source", change(`"source": "EXAMPLE`, `"source": " ", "sauce": "EXAMPLE`), []string{"source is missing", `"sauce" is unknown`}},
		{"text that steers a terminal", change(`EXAMPLE`, `\u001b[2J`), []string{"source is longer than 500 bytes, or has characters"}},
		{"no prices", `{"currency":"USD","region":"r","date":"2026-01-01","source":"s"}`, []string{"prices is missing"}},
		{"prices that are a list", `{"currency":"USD","region":"r","date":"2026-01-01","source":"s","prices":[]}`, []string{"prices: it is not a JSON object"}},
		{"several faults, all named", `{"currency":"usd","prices":{"egress_gib":-1}}`, []string{"currency is", "region is missing", "date is", "source is missing", "egress_gib is negative", "s3_get_per_1000 is missing"}},
		{"a file that is too large", usd + strings.Repeat(" ", cost.MaxPriceFile), []string{"larger than 65536 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := cost.ParsePrices([]byte(tt.text))
			if !errors.Is(err, cost.ErrPrices) {
				t.Fatalf("error %v, want ErrPrices", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if p.Unit != nil {
				t.Errorf("prices %+v beside an error", p)
			}
		})
	}
}

func TestPricesOfAnotherCurrencyAndScaleAreTaken(t *testing.T) {
	p := example(t)
	p.Currency = "JPY"
	for item := range p.Unit {
		p.Unit[item] *= 150
	}
	p.Unit[cost.Egress] = 0 // a private agreement
	delete(p.Unit, cost.CDNEgress)
	got, err := cost.ParsePrices(p.Format())
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(p) {
		t.Errorf("read %+v, want %+v", got, p)
	}
}

func FuzzParsePrices(f *testing.F) {
	for _, region := range cost.ExampleRegions() {
		p, _ := cost.Example(region)
		f.Add(p.Format())
	}
	f.Add([]byte(`{"currency":"USD","prices":{"egress_gib":1e308,"x":[{}],"egress_gib":-0}}`))
	f.Add([]byte("{\"prices\":"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := cost.ParsePrices(text)
		if err != nil {
			if !errors.Is(err, cost.ErrPrices) {
				t.Fatalf("error %v does not wrap ErrPrices", err)
			}
			return
		}
		again, err := cost.ParsePrices(p.Format())
		if err != nil {
			t.Fatalf("what was read is refused when written: %v\n%s", err, p.Format())
		}
		if !again.Equal(p) || !bytes.Equal(again.Format(), p.Format()) {
			t.Fatalf("read back %+v, want %+v", again, p)
		}
		e, err := cost.Monthly(cost.DefaultInputs(), p)
		if err != nil || !(e.Total().Known >= 0) {
			t.Fatalf("total %v, %v", e.Total(), err)
		}
	})
}
