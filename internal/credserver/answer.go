// SPDX-License-Identifier: Apache-2.0

package credserver

import (
	"encoding/json"
	"net/http"
)

// answer writes JSON, with the kind of error where AWS has it.
func answer(w http.ResponseWriter, status int, kind string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	if kind != "" {
		h.Set("X-Amzn-Errortype", kind)
	}
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever left does not want it
}
