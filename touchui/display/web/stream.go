package web

import (
	"encoding/binary"
	"encoding/json"
	"image"
	"net/http"
	"time"

	"fountain/internal/problem"
)

// The stream is a sequence of messages: 4 bytes big-endian length of what follows, 1 byte kind, payload.
//
//	'I' JSON {"w","h","controls"}           first
//	'C' JSON {"controls"}                   whenever it changes
//	'R' u32 frame, u8 last, u16 x, y, w, h, then a PNG or JPEG; the page acknowledges the frame after the last of it
//	'P' nothing                             every few seconds, so that a lost browser is noticed
const (
	kindInfo    = 'I'
	kindControl = 'C'
	kindRect    = 'R'
	kindPing    = 'P'
)

const (
	inFlight     = 2                      // frames sent and not acknowledged
	ackPatience  = 10 * time.Second       // a page that draws nothing for so long is gone
	pingEvery    = 5 * time.Second        //
	writeTimeout = 10 * time.Second       //
	refineAfter  = 250 * time.Millisecond // stillness before a lossy picture is sent again without loss
)

// stream is one browser that looks on. Display.mu guards what Present and acknowledgements touch.
type stream struct {
	client string
	wake   chan struct{}

	pending region    // guarded: changed since the last frame was sent
	sent    uint32    // guarded: number of the last frame
	acked   uint32    // guarded: last frame the page has drawn
	ackedAt time.Time // guarded

	lossy    region // pump's: sent with loss, and not yet without
	controls bool   // pump's: what the page was told
}

func (s *stream) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// ack notes that a browser has drawn a frame.
func (d *Display) ack(client string, frame uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.streams {
		if s.client == client && frame > s.acked && frame <= s.sent {
			s.acked, s.ackedAt = frame, time.Now()
			s.poke()
		}
	}
}

// pokeAll lets every stream look whether control changed hands.
func (d *Display) pokeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.streams {
		s.poke()
	}
}

func (d *Display) serveStream(w http.ResponseWriter, r *http.Request) {
	client := r.URL.Query().Get("client")
	if client == "" || len(client) > 64 {
		problem.Write(w, &problem.Problem{Code: problem.CodeBadRequest, Where: "client", What: "a stream needs a client name of 1 to 64 characters"})
		return
	}
	s := &stream{client: client, wake: make(chan struct{}, 1), ackedAt: time.Now()}
	s.pending.add(d.frame.Bounds())
	s.controls = d.remote.Join(client)
	defer func() {
		d.remote.Leave(client)
		d.pokeAll()
	}()
	d.mu.Lock()
	d.streams[s] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.streams, s)
		d.mu.Unlock()
	}()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-store")
	m := messenger{w: w, c: http.NewResponseController(w)}
	m.json(kindInfo, map[string]any{"w": d.cfg.Width, "h": d.cfg.Height, "controls": s.controls})
	d.pump(r, s, &m)
}

// pump sends frames until the browser, the request or the display is gone.
func (d *Display) pump(r *http.Request, s *stream, m *messenger) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	lastPing, lastFrame := time.Now(), time.Now()
	var enc encoder
	for m.err == nil {
		if c := d.remote.Controls(s.client); c != s.controls {
			s.controls = c
			m.json(kindControl, map[string]any{"controls": c})
		}
		b := d.due(s, time.Since(lastFrame) >= refineAfter)
		if len(b.rects) > 0 {
			for i, q := range b.rects {
				im := d.snapshot(q, enc.pix)
				enc.pix = im.Pix
				body, lossy := enc.encode(im, b.exact)
				if lossy {
					s.lossy.add(q)
				}
				m.rect(b.frame, i == len(b.rects)-1, q, body)
			}
			lastFrame = time.Now()
			continue
		}
		if b.owed && time.Since(b.since) > ackPatience {
			return
		}
		if time.Since(lastPing) >= pingEvery {
			lastPing = time.Now()
			m.send(kindPing)
			if time.Since(lastFrame) >= pingEvery {
				enc = encoder{} // a picture of the whole screen, and its buffers
			}
		}
		wait := pingEvery
		if len(s.lossy) > 0 {
			wait = refineAfter
		}
		timer.Reset(wait)
		select {
		case <-r.Context().Done():
			return
		case <-d.done:
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// batch is what a stream shall send now.
type batch struct {
	rects region // empty: nothing
	frame uint32
	exact bool      // without loss
	owed  bool      // frames are not acknowledged
	since time.Time // when the last was, or the wait began
}

// due takes what changed, or once it has been still, what was sent with loss. While too many frames are on their way
// it takes nothing, and changes add up.
func (d *Display) due(s *stream, still bool) batch {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := batch{owed: s.sent != s.acked, since: s.ackedAt}
	if s.sent-s.acked >= inFlight {
		return b
	}
	switch {
	case len(s.pending) > 0:
		b.rects, s.pending = s.pending, nil
	case still && len(s.lossy) > 0:
		b.rects, s.lossy, b.exact = s.lossy, nil, true
	default:
		return b
	}
	if !b.owed {
		s.ackedAt = time.Now()
	}
	s.sent++
	b.frame = s.sent
	return b
}

// messenger writes messages and remembers the first error.
type messenger struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	err error
}

func (m *messenger) send(kind byte, parts ...[]byte) {
	if m.err != nil {
		return
	}
	n := 1
	for _, p := range parts {
		n += len(p)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(n))
	_ = m.c.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every ResponseWriter can; the ping notices then
	if _, m.err = m.w.Write(append(head, kind)); m.err != nil {
		return
	}
	for _, p := range parts {
		if _, m.err = m.w.Write(p); m.err != nil {
			return
		}
	}
	m.err = m.c.Flush()
}

func (m *messenger) json(kind byte, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		m.err = err
		return
	}
	m.send(kind, b)
}

func (m *messenger) rect(frame uint32, last bool, r image.Rectangle, body []byte) {
	head := binary.BigEndian.AppendUint32(make([]byte, 0, 13), frame)
	end := byte(0)
	if last {
		end = 1
	}
	head = append(head, end)
	for _, v := range []int{r.Min.X, r.Min.Y, r.Dx(), r.Dy()} {
		head = binary.BigEndian.AppendUint16(head, uint16(v))
	}
	m.send(kindRect, head, body)
}
