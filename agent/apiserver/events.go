package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"fountain/internal/problem"
)

// events streams snapshots: one at once, one at every change but at most 30 a second, and at least one a second.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	flush, ok := w.(http.Flusher)
	if !ok {
		problem.Write(w, fmt.Errorf("stream events: %T cannot flush", w))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	gap := time.NewTimer(0)
	defer gap.Stop()
	pulse := time.NewTimer(streamPulse)
	defer pulse.Stop()
	for {
		select {
		case <-gap.C:
		case <-r.Context().Done():
			return
		}
		changed := s.unit.Changed() // before the snapshot: a change between the two is not missed
		b, err := json.Marshal(s.unit.Snapshot())
		if err != nil {
			return // nothing can be told inside a stream; GET /v1/snapshot tells
		}
		_ = out.SetWriteDeadline(time.Now().Add(closeTimeout)) // not every writer has one; a reader that stalls is cut
		if _, err := fmt.Fprintf(w, "event: snapshot\ndata: %s\n\n", b); err != nil {
			return
		}
		flush.Flush()
		gap.Reset(streamGap)
		pulse.Reset(streamPulse)
		select {
		case <-changed:
		case <-pulse.C:
			gap.Reset(0)
		case <-r.Context().Done():
			return
		}
	}
}
