// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"fmt"
	"slices"
)

// Purpose is what a line is spent for.
type Purpose string

// The purposes, in the order of a report.
const (
	Recording Purpose = "recording"
	Live      Purpose = "live"
	Replay    Purpose = "replay"
)

// Purposes lists them in order.
func Purposes() []Purpose { return []Purpose{Recording, Live, Replay} }

// Service is a line of a bill.
type Service string

// The services, in the order of a report.
const (
	PutService      Service = "S3 PUT"
	StorageService  Service = "S3 storage"
	TagService      Service = "S3 object tags"
	ListService     Service = "S3 LIST"
	GetService      Service = "S3 GET"
	EgressService   Service = "Egress"
	APIService      Service = "API Gateway"
	LambdaService   Service = "Lambda"
	DynamoDBService Service = "DynamoDB"
	LogService      Service = "Logs"
)

// Services lists them in order.
func Services() []Service {
	return []Service{PutService, StorageService, TagService, ListService, GetService, EgressService, APIService, LambdaService, DynamoDBService, LogService}
}

// Line is one item used for one purpose: by one camera in one month.
type Line struct {
	Purpose  Purpose `json:"purpose"`
	Service  Service `json:"service"`
	Item     Item    `json:"item"`     // its price in the price file
	Quantity float64 `json:"quantity"` // requests, GiB, GiB months, GB seconds, units: pieces of the item
	Priced   bool    `json:"priced"`   // false when the price is not known: then Cost is 0 and means nothing
	Cost     float64 `json:"cost"`
}

// Estimate is what one camera costs in one month.
type Estimate struct {
	Lines []Line // in the order of Purposes and Services; none with quantity 0
}

// Monthly estimates one camera's month. Its error is that of in.Check.
func Monthly(in Inputs, p Prices) (Estimate, error) {
	if err := in.Check(); err != nil {
		return Estimate{}, fmt.Errorf("estimate the cost: %w", err)
	}
	return priced(quantities(in), p), nil
}

// priced puts prices to lines.
func priced(lines []Line, p Prices) Estimate {
	lines = slices.DeleteFunc(lines, func(l Line) bool { return l.Quantity == 0 })
	for i := range lines {
		l := &lines[i]
		each, known := p.each(l.Item)
		l.Priced, l.Cost = known, l.Quantity*each
	}
	return Estimate{lines}
}

// Amount is a sum of money of which parts may not be known.
type Amount struct {
	Known    float64 // the sum of what is priced
	Unpriced bool    // something in it has no price
	Empty    bool    // nothing is in it
}

// Sum adds the lines that match; an empty purpose or service matches all.
func (e Estimate) Sum(purpose Purpose, service Service) Amount {
	a := Amount{Empty: true}
	for _, l := range e.Lines {
		if purpose != "" && l.Purpose != purpose || service != "" && l.Service != service {
			continue
		}
		a.Empty = false
		a.Known += l.Cost
		a.Unpriced = a.Unpriced || !l.Priced
	}
	return a
}

// Total is the sum of all lines.
func (e Estimate) Total() Amount { return e.Sum("", "") }

// Missing lists the items that are used and have no price, in the order of a price file.
func (e Estimate) Missing() []Item {
	var all []Item
	for _, item := range Items() {
		if slices.ContainsFunc(e.Lines, func(l Line) bool { return l.Item == item && !l.Priced }) {
			all = append(all, item)
		}
	}
	return all
}

// LiveHour is what one viewer's hour of live costs, of [Inputs.Viewers] at a time.
func LiveHour(in Inputs, p Prices) (Estimate, error) {
	in.ViewingHours, in.ReplayHours = 1, 0
	return only(in, p, Live)
}

// ReplayHour is what replaying one hour of footage costs.
func ReplayHour(in Inputs, p Prices) (Estimate, error) {
	in.ViewingHours, in.ReplayHours = 0, 1
	return only(in, p, Replay)
}

func only(in Inputs, p Prices, purpose Purpose) (Estimate, error) {
	e, err := Monthly(in, p)
	e.Lines = slices.DeleteFunc(e.Lines, func(l Line) bool { return l.Purpose != purpose })
	return e, err
}
