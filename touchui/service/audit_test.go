package service

import (
	"fmt"
	"image"
	"os"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/touchui/audit"
)

// TestAudit judges every page: contrast, targets of 15 mm, nothing cut or covered. By default at three sizes and the
// languages that are longest and most different; FOUNTAIN_LONG=1 takes every size and language, FOUNTAIN_LOOK_AT names
// some ("1080x1920/en 800x480/ar"); with FOUNTAIN_LOOK=dir the pictures stay there to be looked at.
func TestAudit(t *testing.T) {
	cases := []string{"1080x1920/de", "800x480/fr", "800x1280/ar"}
	if os.Getenv("FOUNTAIN_LONG") != "" {
		cases = nil
		for _, size := range []string{"1080x1920", "800x1280", "800x480", "1920x1080"} {
			for _, lang := range []string{"en", "es", "fr", "de", "ar", "ja"} {
				cases = append(cases, size+"/"+lang)
			}
		}
	}
	if at := os.Getenv("FOUNTAIN_LOOK_AT"); at != "" {
		cases = strings.Fields(at)
	}
	for _, what := range cases {
		t.Run(strings.ReplaceAll(what, "/", "-"), func(t *testing.T) {
			var w, h int
			var lang string
			if _, err := fmt.Sscanf(strings.NewReplacer("x", " ", "/", " ").Replace(what), "%d %d %s", &w, &h, &lang); err != nil {
				t.Fatal(err)
			}
			r := newRig(t, w, h, lang)
			var tr *audit.Trace
			r.do(func() {
				tr = audit.Watch(r.svc.look)
				r.svc.redraw()
			})
			check := func(name string) {
				t.Helper()
				tr.Check(t, name, r.app, func() *image.RGBA { return r.shot("audit-" + strings.ReplaceAll(what, "/", "-") + "-" + name) }, r.svc.look.Geo.PPMM)
			}
			check("pin")
			r.enter()
			for _, p := range somePages() {
				r.visit(p)
				check(p.name)
			}
			r.do(func() {
				s := r.svc
				s.show(newOperation(s, api.StartOp{Kind: api.OpCalibrate, Line: "s07"}, s.showHome))
			})
			r.tap("service.op.yes")
			r.get("service.op.cup")
			r.do(func() { r.svc.page.(*operationPage).number.to(20.8) })
			check("number")
			r.tap("service.op.type")
			r.get("service.op.key.5")
			check("digits")
			r.type_("service.op.key", "20")
			r.tap("service.op.save")
			r.get("service.op.finish")
			check("outcome")
		})
	}
}
