// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// ListByGateway lists a page the way the HTTP front end does, without HTTP and XML.
func (s *Server) ListByGateway(ctx context.Context, in *s3.ListObjectsV2Input) (int, string, error) {
	out, err := s.gw.ListObjectsV2(ctx, in)
	if err != nil {
		return 0, "", err
	}
	return len(out.Contents), str(out.NextContinuationToken), nil
}

// WatchSync replaces fsync. It is to be called before Run.
func (s *Server) WatchSync(fsync func(*os.File) error) { s.gw.dirs.fsync = fsync }

// The parsers of what clients send.
var (
	CleanKey   = cleanKey
	WellFormed = wellFormed
	FolderOf   = folderOf
)

// ParseDeletion reads the document of a DeleteObjects.
func ParseDeletion(text []byte) (keys []string, quiet bool, err error) {
	d, err := parseDeletion(text)
	return d.keys, d.quiet, err
}
