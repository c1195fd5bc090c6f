// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/s3cam/s3cam/internal/httpapi"
)

// readerFrom is a ResponseWriter that can take a file as a whole, as that of net/http does with sendfile.
type readerFrom struct {
	*httptest.ResponseRecorder
	files int64 // bytes taken from files
}

func (w *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(w.ResponseRecorder, src)
	if l, ok := src.(*io.LimitedReader); ok {
		src = l.R
	}
	if _, ok := src.(*os.File); ok {
		w.files += n
	}
	return n, err
}

func TestFilesGoOutBySendfile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "00.ts")
	data := make([]byte, 100_000)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, nil)
	s.objects = map[string]string{segmentKey: string(data)}
	s.open = func(httpapi.Object) io.ReadCloser {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for ranges, want := range map[string]int64{"": 100_000, "bytes=1000-50999": 50_000} {
		r := httptest.NewRequest(http.MethodGet, "/segments/"+segmentKey, nil)
		if ranges != "" {
			r.Header.Set("Range", ranges)
		}
		w := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
		s.handler.ServeHTTP(w, r)
		if int64(w.Body.Len()) != want || w.files != want {
			t.Errorf("Range %q: %d bytes sent, %d of them by ReadFrom from the file; want %d", ranges, w.Body.Len(), w.files, want)
		}
	}
}
