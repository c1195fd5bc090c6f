// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"slices"
	"testing"
)

func TestQueriesAreReadAsBrowsersWriteThem(t *testing.T) {
	tests := []struct{ name, query, camera string }{
		{"plain", "camera_id=cam", "cam"},
		{"among others", "a=1&camera_id=cam&b", "cam"},
		{"an escaped value", "camera_id=hall%2Fnorth%20door", "hall/north door"},
		{"a plus sign", "camera_id=north+door", "north door"},
		{"an escaped name", "camera%5Fid=cam", "cam"},
		{"an equals sign in the value", "camera_id=a=b", "a=b"},
		{"empty pairs", "&&camera_id=cam&", "cam"},
		{"a pair without a name", "=x&camera_id=cam", "cam"},
		{"slashes around it", "camera_id=/cam/", "cam"},
		{"another one in other letters", "Camera_ID=x&camera_id=cam", "cam"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, nil)
			r := s.get("/playlist.m3u8?" + tt.query)
			if r.StatusCode != 200 || !slices.Equal(s.asked, []string{"live " + tt.camera}) {
				t.Errorf("status %d, asked for %q; want camera %q", r.StatusCode, s.asked, tt.camera)
			}
		})
	}
}
