package web_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"fountain/touchui/display"
	"fountain/touchui/display/web"
)

// TestWatchOnly: beside a panel a browser looks on. It sees the panel's colours and moves nothing, also when nobody else
// is there and when it asks for control.
func TestWatchOnly(t *testing.T) {
	s := serve(t, web.Config{WatchOnly: true, Format: display.XRGB8888})
	f := display.NewFrame(320, 200, display.XRGB8888)
	for i := 0; i < len(f.Pix); i += 4 {
		copy(f.Pix[i:], []byte{30, 20, 10, 0}) // blue, green, red, nothing
	}
	if err := s.d.Present(f, []image.Rectangle{f.Bounds()}); err != nil {
		t.Fatal(err)
	}
	_, body := s.do(s.request("GET", "/screenshot.png", ""))
	im, err := png.Decode(bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if got := color.RGBAModel.Convert(im.At(5, 5)); got != (color.RGBA{10, 20, 30, 255}) {
		t.Errorf("the panel's colour looks like %v", got)
	}
	if status, body := s.post("/touch", `{"client":"a","events":[{"p":"down","id":1,"x":5,"y":5}]}`); status != http.StatusOK || !strings.Contains(body, `"controls":false`) {
		t.Errorf("a touch: %d %s", status, body)
	}
	if status, body := s.post("/control", `{"client":"a"}`); status != http.StatusForbidden || !strings.Contains(body, "touch the panel itself") {
		t.Errorf("asking for control: %d %s", status, body)
	}
	select {
	case e := <-s.d.Input().Events():
		t.Errorf("%+v came through", e)
	case <-time.After(50 * time.Millisecond): // the queue's goroutine would have handed it on long ago
	}
}
