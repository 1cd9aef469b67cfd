package linux

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's structures, as include/uapi/linux/gpio.h lays them out; sizes are also part of the ioctl numbers.
func TestLayout(t *testing.T) {
	size := func(ioctl uint) uintptr { return uintptr(ioctl >> 16 & 0x3FFF) }
	var (
		r lineRequest
		i lineInfo
		e lineEvent
		m i2cMessage
	)
	for name, c := range map[string][2]uintptr{
		"chip info":           {unsafe.Sizeof(chipInfo{}), size(chipInfoIoctl)},
		"line request":        {unsafe.Sizeof(r), size(unix.GPIO_V2_GET_LINE_IOCTL)},
		"line info":           {unsafe.Sizeof(i), size(unix.GPIO_V2_GET_LINEINFO_IOCTL)},
		"line values":         {unsafe.Sizeof([2]uint64{}), size(unix.GPIO_V2_LINE_SET_VALUES_IOCTL)},
		"line event":          {unsafe.Sizeof(e), 48},
		"attribute":           {unsafe.Sizeof(lineAttribute{}), 16},
		"config attribute":    {unsafe.Sizeof(configAttribute{}), 24},
		"request.consumer":    {unsafe.Offsetof(r.consumer), 256},
		"request.flags":       {unsafe.Offsetof(r.flags), 288},
		"request.attrs":       {unsafe.Offsetof(r.attrs), 320},
		"request.num_lines":   {unsafe.Offsetof(r.numLines), 560},
		"request.buffer":      {unsafe.Offsetof(r.buffer), 564},
		"request.fd":          {unsafe.Offsetof(r.fd), 588},
		"info.flags":          {unsafe.Offsetof(i.flags), 72},
		"info.attrs":          {unsafe.Offsetof(i.attrs), 80},
		"event.offset":        {unsafe.Offsetof(e.offset), 12},
		"event.line_seqno":    {unsafe.Offsetof(e.lineSeqno), 20},
		"i2c message.buf":     {unsafe.Offsetof(m.buf), 8},
		"i2c message":         {unsafe.Sizeof(m), 8 + unsafe.Sizeof(uintptr(0))},
		"i2c transfer.number": {unsafe.Offsetof(i2cTransfer{}.n), unsafe.Sizeof(uintptr(0))},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %d, the kernel has %d", name, c[0], c[1])
		}
	}
}

// A request carries the outputs' values, so that the kernel never shows another level, and polarity by line.
func TestRequestCarriesValues(t *testing.T) {
	r, err := wish{consumer: "fountain-agent", offsets: []int{5, 6, 9}, output: true, initial: 0b100, activeLow: 0b010}.request()
	if err != nil {
		t.Fatal(err)
	}
	if r.flags != lineOutput || r.numLines != 3 || r.offsets[2] != 9 || r.numAttrs != 2 {
		t.Errorf("%+v", r)
	}
	if a := r.attrs[0]; a.attr.id != unix.GPIO_V2_LINE_ATTR_ID_FLAGS || a.attr.value != lineOutput|lineActiveLow || a.mask != 0b010 {
		t.Errorf("polarity %+v", a)
	}
	if a := r.attrs[1]; a.attr.id != unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES || a.attr.value != 0b100 || a.mask != 0b111 {
		t.Errorf("values %+v", a)
	}
}

func TestRequestOfInputs(t *testing.T) {
	r, err := wish{offsets: []int{1, 2}, edges: lineRising, buffer: eventBuffer}.request()
	if err != nil {
		t.Fatal(err)
	}
	if r.flags != lineInput|lineRising || r.buffer != 1024 || r.numAttrs != 0 {
		t.Errorf("%+v", r)
	}
	for n, w := range map[string]wish{"no line": {}, "65 lines": {offsets: make([]int, 65)}} {
		if _, err := w.request(); err == nil {
			t.Errorf("%s: accepted", n)
		}
	}
}
