// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/uploader"
)

const packet = 188 // of a transport stream

// makeBody returns a segment of the simulated camera's, filled up with null packets (ISO/IEC 13818-1 2.4.3.3, PID 0x1FFF) to size,
// which is rounded down to whole packets.
func makeBody(ctx context.Context, length time.Duration, size int) ([]byte, error) {
	reel, err := simcam.FrontDoor().Recording(simcam.Loop)
	if err != nil {
		return nil, err
	}
	var first keeper
	up, err := uploader.New(uploader.Config{
		Prefix: "body", Putter: &first, Epoch: time.Unix(1609459200, 0), Audio: true, SegmentDuration: length, UploadJitter: -1,
	})
	if err != nil {
		return nil, err
	}
	for err == nil {
		var u simcam.Unit
		switch u, err = reel.Next(); {
		case err != nil:
		case u.Video:
			err = up.WriteVideo(uploader.AccessUnit{Data: u.Data, PTS: u.At, DTS: u.At})
		default:
			err = up.WriteAudio(uploader.AudioFrame{Data: u.Data, PTS: u.At})
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err := errors.Join(err, up.Close(ctx)); err != nil {
		return nil, fmt.Errorf("make a segment: %w", err)
	}
	body := first.body
	if len(body) == 0 || len(body) > size {
		return nil, fmt.Errorf("a segment of %v is %d bytes already, %d were asked for", length, len(body), size)
	}
	null := append([]byte{0x47, 0x1f, 0xff, 0x10}, bytes.Repeat([]byte{0xff}, packet-4)...)
	return append(body, bytes.Repeat(null, (size-len(body))/packet)...), nil
}

// keeper is a Putter that keeps the first segment. It is called from one goroutine, which has ended when Close returns.
type keeper struct{ body []byte }

func (k *keeper) Put(_ context.Context, o *uploader.Object) (time.Time, error) {
	if k.body == nil {
		k.body = bytes.Join(o.Parts[:], nil)
	}
	return time.Time{}, nil
}
