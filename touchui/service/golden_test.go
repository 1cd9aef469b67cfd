package service

import (
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/internal/golden"
)

// The pages as they were looked at and approved beside the design's pictures 12 to 14.
func TestGolden(t *testing.T) {
	r := newRig(t, 540, 960, "en")
	golden.PNG(t, r.shot("golden-pin"), "testdata/pin.png", 3)
	r.enter()
	// The time that is left is the same in every run: as if the PIN had been given right now.
	r.do(func() {
		now := time.Now()
		r.svc.now = func() time.Time { return now }
		r.svc.session.began, r.svc.session.over = now, now.Add(4*time.Minute+32*time.Second)
		r.svc.redraw()
	})
	golden.PNG(t, r.shot("golden-home"), "testdata/home.png", 3)
	r.do(func() {
		s := r.svc
		s.show(newOperation(s, api.StartOp{Kind: api.OpCalibrate, Line: "s07"}, s.showHome))
	})
	r.tap("service.op.yes")
	r.get("service.op.cup")
	r.do(func() {
		p := r.svc.page.(*operationPage)
		p.flow = flow{last: 20_400, points: []flowPoint{}}
		for i := range 100 { // the curve of a run as it was once measured
			p.flow.points = append(p.flow.points, flowPoint{p.began.Add(time.Duration(i) * 100 * time.Millisecond), int64(i) * 204})
		}
		p.number.to(20.8)
		r.svc.redraw()
	})
	golden.PNG(t, r.shot("golden-read"), "testdata/read.png", 3)
}
