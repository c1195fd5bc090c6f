// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"path/filepath"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
)

// windowsDir is where live windows are kept in the data directory; no bucket can have this name.
const windowsDir = ".windows"

// windows keeps live windows: in memory, and where footage is meant to last also beside it, so that viewers see one history although the
// server was killed and started again.
func (s *server) windows() (playback.WindowStore, error) {
	cfg := cache.MemoryConfig{Now: s.cfg.Now, Logger: s.log}
	if s.cfg.Engine == nil || s.cfg.Engine.Volatile {
		return cache.NewMemory(cfg), nil
	}
	k, err := cache.NewKept(filepath.Join(s.cfg.Engine.Dir, windowsDir), cfg)
	if err != nil { // a full disk, say: what is stored there can be watched all the same
		s.log.Warn("live windows cannot be kept for the next start", "err", err)
		return cache.NewMemory(cfg), nil
	}
	return k, nil
}
