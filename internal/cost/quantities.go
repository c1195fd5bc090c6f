// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"math"
	"time"
)

const (
	gib         = 1 << 30
	listPage    = 1000 // keys in one answer to LIST
	secondsHour = 3600.0
)

// quantities counts what one camera uses in a month. This is where it is written down what the product does:
//
//   - Recording: one PUT per segment. Storage is what lies in the bucket once footage is as old as it gets. Deleting by
//     lifecycle costs nothing.
//   - A live poll: one call of API Gateway and of the playlist function, one strongly consistent DynamoDB read. A poll that
//     may find something new lists once, and what it finds is written once. All viewers of a camera share the window: one
//     viewer lists once per segment at most, several together some twice, since one of them may look a moment too early
//     (product_test.go counts).
//   - A replayed hour: one call for its playlist, one LIST per 1000 segments.
//   - Each segment that is played: one GET and its bytes; with redirect also one call of API Gateway and of the replay
//     function.
//   - Playlists leave API Gateway compressed; they and the redirects count as transfer too.
//
// Left out because it stays below a thousandth: ranged reads of segment heads, the table's storage, the web site, camera
// credentials, the demo. A replay without an end is polled like live and belongs to the hours of live.
func quantities(in Inputs) []Line {
	var lines []Line
	add := func(purpose Purpose, service Service, item Item, quantity float64) {
		lines = append(lines, Line{Purpose: purpose, Service: service, Item: item, Quantity: quantity})
	}
	segments := Month.Seconds() * in.Duty / in.Segment.Seconds()
	months := in.kept().Hours() / Month.Hours()
	add(Recording, PutService, S3Put, segments)
	add(Recording, StorageService, S3Storage, in.GiBPerDay()*30*months)
	add(Recording, TagService, S3Tag, segments*float64(in.TagsPerSegment)*months)

	perHour := secondsHour / in.Segment.Seconds()
	played := perHour * in.ViewingHours
	polls := secondsHour / in.PollInterval().Seconds() * in.ViewingHours
	shared := played / in.Viewers // segments of the hours in which anybody watches
	moved := calls{}
	moved.add(polls, in.LiveTime, in.MemoryMB, in.LivePlaylistBytes)
	if in.Live == Redirect {
		moved.add(played, in.RedirectTime, in.ReplayMemoryMB, in.RedirectBytes)
	}
	add(Live, ListService, S3List, in.ListsPerPoll*min(polls, shared*min(in.Viewers, 2)))
	add(Live, GetService, S3Get, played)
	add(Live, EgressService, Egress, in.gibPerHour()*in.ViewingHours+moved.bytes/gib)
	moved.lines(in, Live, add)
	add(Live, DynamoDBService, DynamoRead, polls*in.ReadUnits)
	add(Live, DynamoDBService, DynamoWrite, min(polls, shared)*in.WriteUnits)

	played = perHour * in.ReplayHours
	moved = calls{}
	moved.add(in.ReplayHours, in.ReplayTime, in.ReplayMemoryMB, perHour*in.ReplayEntryBytes)
	if in.Replay == Redirect {
		moved.add(played, in.RedirectTime, in.ReplayMemoryMB, in.RedirectBytes)
	}
	add(Replay, ListService, S3List, math.Ceil(perHour/listPage)*in.ReplayHours)
	add(Replay, GetService, S3Get, played)
	add(Replay, EgressService, Egress, in.gibPerHour()*in.ReplayHours+moved.bytes/gib)
	moved.lines(in, Replay, add)
	return lines
}

// GiBPerDay is what the camera stores in a day.
func (in Inputs) GiBPerDay() float64 { return in.gibPerHour() * 24 * in.Duty }

// gibPerHour is the size of an hour of footage.
func (in Inputs) gibPerHour() float64 {
	return in.BitsPerSecond / 8 * (1 + in.TSOverhead) * secondsHour / gib
}

// calls are requests that go through API Gateway to a function.
type calls struct{ requests, gbSeconds, bytes float64 }

func (c *calls) add(requests float64, billed time.Duration, memoryMB int, bytes float64) {
	c.requests += requests
	c.gbSeconds += requests * float64(memoryMB) / 1024 * billed.Seconds()
	c.bytes += requests * bytes
}

func (c *calls) lines(in Inputs, purpose Purpose, add func(Purpose, Service, Item, float64)) {
	add(purpose, APIService, API, c.requests)
	add(purpose, LambdaService, LambdaRequest, c.requests)
	add(purpose, LambdaService, LambdaGBSecond, c.gbSeconds)
	add(purpose, LogService, Logs, c.requests*in.LogBytes/gib)
}
