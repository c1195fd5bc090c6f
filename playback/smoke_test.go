// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-2*time.Minute+400*time.Millisecond), 3*time.Second, 39)
	t.Log(text(w.live(t)))
	t.Log(w.counts())
	w.put("cam1", noon.Add(-3*time.Second+400*time.Millisecond))
	w.add(3 * time.Second)
	t.Log(text(w.live(t)))
	t.Log(w.counts())
	t.Log(text(w.replay(t, noon.Add(-time.Minute), noon.Add(-50*time.Second))))
	t.Log(text(w.replay(t, noon.Add(-20*time.Second), time.Time{})))
	t.Log(w.counts())
	t.Log(w.Cameras(t.Context()))
	t.Log(w.Coverage(t.Context(), "cam1", noon.Add(-time.Hour), noon))
}
