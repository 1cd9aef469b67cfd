package chips

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"

	"fountain/hal"
)

// PN532Addr is the chip's only address.
const PN532Addr = 0x24

// PN532 is NXP's tag reader on I²C (user manual UM0701-02). One goroutine at a time.
type PN532 struct {
	dev
	ready bool // set up since it last failed
}

// NewPN532 names the reader at addr; it talks to nobody yet.
func NewPN532(bus i2c.Bus, addr uint16) *PN532 { return &PN532{dev: dev{bus, addr}} }

// Errors of the wire between us and the reader.
var (
	errNoAnswer = errors.New("the reader does not answer in time")
	errFrame    = errors.New("the reader's answer is damaged")
	errAck      = errors.New("the reader did not take the command")
)

const (
	pnHost, pnChip = 0xD4, 0xD5

	pnFirmware   = 0x02
	pnSAM        = 0x14
	pnRF         = 0x32
	pnExchange   = 0x40
	pnList       = 0x4A
	pnRelease    = 0x52
	ntagRead     = 0x30
	pnPoll       = 2 * time.Millisecond
	pnMinPolls   = 8                     // so that a host that stalls does not blame the reader
	pnAckWait    = 50 * time.Millisecond // UM0701: 15 ms
	pnAnswerWait = 250 * time.Millisecond
	pnTries      = 10 // passive activations: about 50 ms without a card
	pnMaxData    = 64 // no command here answers more
)

// Target is a card in the field.
type Target struct {
	UID []byte
	SAK byte // 0 for the NTAG family
}

// Find looks for one card. hal.ErrNoTag when the field is empty.
func (c *PN532) Find(ctx context.Context) (Target, error) {
	if err := c.setUp(ctx); err != nil {
		return Target{}, err
	}
	r, err := c.command(ctx, pnList, 1, 0x00) // one card, ISO 14443 A, 106 kbit/s
	if err != nil {
		return Target{}, err
	}
	if len(r) >= 1 && r[0] == 0 {
		return Target{}, hal.ErrNoTag
	}
	if len(r) < 6 || r[0] != 1 || len(r) < 6+int(r[5]) {
		return Target{}, fmt.Errorf("list cards: %w", errFrame)
	}
	return Target{SAK: r[4], UID: bytes.Clone(r[6 : 6+int(r[5])])}, nil
}

// ReadPages reads the four pages from page on of the card that was found. hal.ErrUnreadable when the card does not answer.
func (c *PN532) ReadPages(ctx context.Context, page int) ([16]byte, error) {
	var out [16]byte
	r, err := c.command(ctx, pnExchange, 1, ntagRead, byte(page))
	if err != nil {
		return out, err
	}
	if len(r) < 1 || r[0]&0x3F != 0 || len(r) < 17 {
		return out, fmt.Errorf("read page %d: %w", page, hal.ErrUnreadable)
	}
	copy(out[:], r[1:])
	return out, nil
}

// Check asks whether the reader answers, and sets it up anew. It looks for no card.
func (c *PN532) Check(ctx context.Context) error {
	c.ready = false
	return c.setUp(ctx)
}

// setUp makes the reader answer within bounds. It is done again after each failure: the chip may have been reset.
func (c *PN532) setUp(ctx context.Context) error {
	if c.ready {
		return nil
	}
	r, err := c.command(ctx, pnFirmware)
	if err != nil {
		return err
	}
	if len(r) < 1 || r[0] != 0x32 {
		return fmt.Errorf("the chip at %#02x is no PN532", c.addr)
	}
	if _, err := c.command(ctx, pnSAM, 0x01, 0x14, 0x01); err != nil { // normal mode, no secure element
		return err
	}
	if _, err := c.command(ctx, pnRF, 0x05, 0xFF, 0x01, pnTries-1); err != nil {
		return err
	}
	c.ready = true
	return nil
}

// command sends one command and returns the data of its response.
func (c *PN532) command(ctx context.Context, cmd byte, arg ...byte) ([]byte, error) {
	r, err := c.exchange(ctx, cmd, arg)
	if err != nil {
		c.ready = false
		return nil, fmt.Errorf("pn532 at %#02x: command %#02x: %w", c.addr, cmd, err)
	}
	return r, nil
}

var pnAck = []byte{0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00}

func (c *PN532) exchange(ctx context.Context, cmd byte, arg []byte) ([]byte, error) {
	if err := c.tx(pnFrame(append([]byte{pnHost, cmd}, arg...)), nil); err != nil {
		return nil, err
	}
	ack, err := c.await(ctx, pnAckWait, len(pnAck))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(ack, pnAck) {
		return nil, errAck
	}
	f, err := c.await(ctx, pnAnswerWait, pnMaxData+8)
	if err != nil {
		_ = c.tx(pnAck, nil) // an acknowledge from the host ends the command; if the chip is gone, err says so already
		return nil, err
	}
	data, err := pnParse(f)
	if err != nil {
		return nil, err
	}
	if len(data) < 2 || data[0] != pnChip || data[1] != cmd+1 {
		return nil, errFrame
	}
	return data[2:], nil
}

// await polls the status byte and then reads n bytes of the frame.
func (c *PN532) await(ctx context.Context, limit time.Duration, n int) ([]byte, error) {
	end := time.Now().Add(limit)
	for n := 1; ; n++ {
		var status [1]byte
		if err := c.tx(nil, status[:]); err != nil {
			return nil, err
		}
		if status[0]&1 != 0 {
			break
		}
		if n >= pnMinPolls && !time.Now().Before(end) {
			return nil, errNoAnswer
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pnPoll):
		}
	}
	b := make([]byte, n+1)
	if err := c.tx(nil, b); err != nil {
		return nil, err
	}
	if b[0]&1 == 0 {
		return nil, errNoAnswer
	}
	return b[1:], nil
}

// pnFrame wraps data in preamble, length and check sums.
func pnFrame(data []byte) []byte {
	f := append([]byte{0x00, 0x00, 0xFF, byte(len(data)), -byte(len(data))}, data...)
	var sum byte
	for _, b := range data {
		sum += b
	}
	return append(f, -sum, 0x00)
}

// pnParse takes a frame apart; what follows it is ignored.
func pnParse(f []byte) ([]byte, error) {
	i := bytes.Index(f, []byte{0x00, 0xFF})
	if i < 0 || len(f) < i+4 {
		return nil, errFrame
	}
	n, lcs, data := int(f[i+2]), f[i+3], f[i+4:]
	if byte(n)+lcs != 0 || n == 0 || len(data) < n+1 {
		return nil, errFrame
	}
	var sum byte
	for _, b := range data[:n+1] {
		sum += b
	}
	if sum != 0 {
		return nil, errFrame
	}
	return data[:n], nil
}

const ntagUserPage = 4

// ReadTag finds a cartridge's tag and decodes it. Errors: hal.ErrNoTag, hal.ErrForeign (a card that is no NTAG, or holds
// something else), hal.ErrUnreadable (the card left or its content is damaged), hal.ErrGone (the reader does not answer).
func (c *PN532) ReadTag(ctx context.Context) (hal.Tag, error) {
	tag, err := c.readTag(ctx)
	switch {
	case err == nil, ctx.Err() != nil,
		errors.Is(err, hal.ErrNoTag), errors.Is(err, hal.ErrForeign), errors.Is(err, hal.ErrUnreadable):
		return tag, err
	}
	return hal.Tag{}, fmt.Errorf("%w: %w", hal.ErrGone, err)
}

func (c *PN532) readTag(ctx context.Context) (hal.Tag, error) {
	t, err := c.Find(ctx)
	if err != nil {
		return hal.Tag{}, err
	}
	defer func() {
		if c.ready {
			_, _ = c.command(ctx, pnRelease, 1) // the next Find starts anew in any case
		}
	}()
	if t.SAK != 0 {
		return hal.Tag{}, fmt.Errorf("card of type %#02x: %w", t.SAK, hal.ErrForeign)
	}
	var b []byte
	for want := 16; len(b) < want; {
		p, err := c.ReadPages(ctx, ntagUserPage+len(b)/4)
		if err != nil {
			return hal.Tag{}, err
		}
		if b = append(b, p[:]...); len(b) == 16 {
			if want, err = tagSize(b); err != nil {
				return hal.Tag{}, err
			}
		}
	}
	return DecodeTag(b)
}
