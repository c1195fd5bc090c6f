// SPDX-License-Identifier: Apache-2.0

package cost

import "math"

// Item names a price, as in a price file. The name ends in its unit, so that the figures of AWS's price pages can be copied.
type Item string

// The items of a price file.
const (
	S3Put          Item = "s3_put_per_1000"
	S3List         Item = "s3_list_per_1000"
	S3Get          Item = "s3_get_per_1000"
	S3Storage      Item = "s3_storage_gib_month"
	S3Tag          Item = "s3_tag_per_10000_month"
	Egress         Item = "egress_gib"
	API            Item = "api_per_million"
	LambdaRequest  Item = "lambda_request_per_million"
	LambdaGBSecond Item = "lambda_gb_second"
	DynamoRead     Item = "dynamodb_read_per_million"
	DynamoWrite    Item = "dynamodb_write_per_million"
	Logs           Item = "logs_gib"
	GlacierPut     Item = "glacier_ir_put_per_1000"
	GlacierStorage Item = "glacier_ir_storage_gib_month"
	CDNEgress      Item = "cloudfront_egress_gib"
	CDNRequest     Item = "cloudfront_request_per_10000"
)

// itemInfo says what an item is: how many of Line.Quantity one price buys, and what it costs in the us-east-1 example.
type itemInfo struct {
	item    Item
	per     float64
	example float64
	meaning string
}

// The order is that of a printed price file. The examples are remembered list prices, see Example.
var itemInfos = []itemInfo{
	{S3Put, 1000, 0.005, "S3 Standard: 1000 PUT requests"},
	{S3List, 1000, 0.005, "S3 Standard: 1000 LIST requests"},
	{S3Get, 1000, 0.0004, "S3 Standard: 1000 GET requests"},
	{S3Storage, 1, 0.023, "S3 Standard: one GiB for a month, first tier"},
	{S3Tag, 10000, 0.01, "S3: 10000 object tags for a month"},
	{Egress, 1, 0.09, "transfer from the region to the Internet, one GiB, first paid tier"},
	{API, 1e6, 1.00, "API Gateway, HTTP API: a million requests of up to 512 KiB"},
	{LambdaRequest, 1e6, 0.20, "Lambda: a million requests"},
	{LambdaGBSecond, 1, 0.0000133334, "Lambda: one GB second, arm64 (x86_64: 0.0000166667)"},
	{DynamoRead, 1e6, 0.125, "DynamoDB on demand: a million read units"},
	{DynamoWrite, 1e6, 0.625, "DynamoDB on demand: a million write units"},
	{Logs, 1, 0.50, "CloudWatch Logs: one GiB taken in"},
	{GlacierPut, 1000, 0.02, "S3 Glacier Instant Retrieval: 1000 PUT requests (for a lever)"},
	{GlacierStorage, 1, 0.004, "S3 Glacier Instant Retrieval: one GiB for a month, 90 days at least (for a lever)"},
	{CDNEgress, 1, 0.085, "CloudFront: one GiB to the Internet, first tier (for a lever)"},
	{CDNRequest, 10000, 0.01, "CloudFront: 10000 HTTPS requests (for a lever)"},
}

func infoOf(item Item) (itemInfo, bool) {
	for _, info := range itemInfos {
		if info.item == item {
			return info, true
		}
	}
	return itemInfo{}, false
}

// Items lists all items in the order of a price file.
func Items() []Item {
	all := make([]Item, len(itemInfos))
	for i, info := range itemInfos {
		all[i] = info.item
	}
	return all
}

// Meaning says in words what the price is for; it is empty for an unknown item.
func (i Item) Meaning() string {
	info, _ := infoOf(i)
	return info.meaning
}

// Prices is a set of prices in one currency. Values are not modified in place.
type Prices struct {
	Currency string // three capital letters (ISO 4217)
	Region   string // which region they are of
	Date     string // YYYY-MM-DD: when they held
	Source   string // where they are from
	// Unit has the price of each item, for the number of pieces that its name says. An item without an entry has no known
	// price: what would need it is counted and not priced.
	Unit map[Item]float64
}

// each returns the price of one piece of item.
func (p Prices) each(item Item) (price float64, known bool) {
	info, ok := infoOf(item)
	if !ok {
		return 0, false
	}
	v, ok := p.Unit[item]
	if !ok || math.IsNaN(v) {
		return 0, false
	}
	return v / info.per, true
}

// ExampleRegions lists the regions of Example, the default one first.
func ExampleRegions() []string { return []string{"us-east-1", "cn-north-1"} }

// Example returns one of the two built-in sets of prices. They are examples to calculate with, not offers: the USD set is
// remembered and was not looked up, the CNY set is the two prices that the deployment manual calculates with.
func Example(region string) (Prices, bool) {
	switch region {
	case "us-east-1":
		p := Prices{
			Currency: "USD", Region: region, Date: "2025-01-01",
			Source: "EXAMPLE: remembered list prices, not looked up; compare with https://aws.amazon.com/pricing and edit",
			Unit:   map[Item]float64{},
		}
		for _, info := range itemInfos {
			p.Unit[info.item] = info.example
		}
		return p, true
	case "cn-north-1":
		return Prices{
			Currency: "CNY", Region: region, Date: "2021-01-01",
			Source: "EXAMPLE: the two prices in the deployment manual of 2021; it names no other; compare with https://www.amazonaws.cn/pricing and edit",
			Unit:   map[Item]float64{S3Put: 0.00405, S3Storage: 0.1755},
		}, true
	}
	return Prices{}, false
}
