package chipmodel

import (
	"bytes"
	"sync"
)

// Card is a tag in the reader's field.
type Card struct {
	UID   []byte    // 4, 7 or 10 bytes
	SAK   byte      // 0x00 for the NTAG family
	Pages [][4]byte // nil: a card that answers no READ
}

// userPage is where the user's memory of an NTAG213/215/216 starts.
const userPage = 4

// NewNTAG213 is a blank 144-byte tag with user written from its first user page on.
func NewNTAG213(uid [7]byte, user []byte) *Card {
	c := &Card{UID: uid[:], Pages: make([][4]byte, 45)}
	for i, b := range user {
		c.Pages[userPage+i/4][i%4] = b
	}
	return c
}

// PN532 is NXP's tag reader on I²C (user manual UM0701-02): frames with length and data check sums, an acknowledge frame
// before each response, a status byte before whatever is read.
type PN532 struct {
	// Busy is how many times the status byte says "not ready" before each frame.
	Busy int

	mu      sync.Mutex
	card    *Card
	listed  bool
	retries byte // passive activations before the chip gives up; 0xFF: never
	out     [][]byte
	wait    int
	damage  int
	mute    bool
}

// NewPN532 returns a reader with an empty field.
func NewPN532() *PN532 { return &PN532{retries: 0xFF} }

// Place puts a card in the field; nil takes it away.
func (c *PN532) Place(card *Card) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.card, c.listed = card, false
}

// Damage flips a bit in each of the next n responses.
func (c *PN532) Damage(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.damage = n
}

// Mute makes the chip acknowledge its address and never answer, as one does whose firmware hangs.
func (c *PN532) Mute(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute = on
}

var (
	pnStart = []byte{0x00, 0x00, 0xFF}
	pnACK   = []byte{0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00}
)

// Tx implements Device.
func (c *PN532) Tx(w, r []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(w) > 0 {
		c.command(w)
	}
	if len(r) == 0 {
		return nil
	}
	clear(r)
	if len(c.out) == 0 || c.mute {
		return nil // status 0: not ready
	}
	if c.wait > 0 {
		c.wait--
		return nil
	}
	r[0] = 0x01
	if len(r) == 1 {
		return nil // only asked whether
	}
	copy(r[1:], c.out[0])
	c.out, c.wait = c.out[1:], c.Busy
	return nil
}

func (c *PN532) command(w []byte) {
	if bytes.HasPrefix(w, pnACK) { // the host gives up on what it asked
		c.out = nil
		return
	}
	i := bytes.Index(w, pnStart[1:])
	if i < 0 || len(w) < i+5 {
		return
	}
	n, lcs, data := int(w[i+2]), w[i+3], w[i+4:]
	if byte(n)+lcs != 0 || n < 2 || len(data) < n+1 {
		return // damaged: no acknowledge
	}
	var sum byte
	for _, b := range data[:n+1] {
		sum += b
	}
	if sum != 0 || data[0] != 0xD4 {
		return
	}
	c.out, c.wait = [][]byte{pnACK}, c.Busy
	answer := c.run(data[1], data[2:n])
	if answer == nil {
		return
	}
	f := frame(append([]byte{0xD5, data[1] + 1}, answer...))
	if c.damage > 0 {
		c.damage--
		f[len(f)-3] ^= 0x04
	}
	c.out = append(c.out, f)
}

func frame(data []byte) []byte {
	f := append([]byte{0x00, 0x00, 0xFF, byte(len(data)), -byte(len(data))}, data...)
	var sum byte
	for _, b := range data {
		sum -= b
	}
	return append(f, sum, 0x00)
}

// run executes a command; nil means that no response comes.
func (c *PN532) run(cmd byte, arg []byte) []byte {
	switch cmd {
	case 0x02: // GetFirmwareVersion
		return []byte{0x32, 0x01, 0x06, 0x07}
	case 0x14: // SAMConfiguration
		return []byte{}
	case 0x32: // RFConfiguration
		if len(arg) == 4 && arg[0] == 0x05 {
			c.retries = arg[3]
		}
		return []byte{}
	case 0x4A: // InListPassiveTarget
		if c.card == nil {
			c.listed = false
			if c.retries == 0xFF {
				return nil
			}
			return []byte{0}
		}
		c.listed = true
		sens := byte(0x04)
		if len(c.card.UID) == 7 {
			sens = 0x44
		}
		return append([]byte{1, 1, 0x00, sens, c.card.SAK, byte(len(c.card.UID))}, c.card.UID...)
	case 0x40: // InDataExchange
		return c.exchange(arg)
	case 0x52: // InRelease
		c.listed = false
		return []byte{0}
	}
	return []byte{0x7F}
}

func (c *PN532) exchange(arg []byte) []byte {
	switch {
	case len(arg) < 3 || arg[0] != 1 || arg[1] != 0x30:
		return []byte{0x27} // not acceptable in this context
	case c.card == nil || !c.listed:
		return []byte{0x01} // time-out: the card does not answer
	case int(arg[2]) >= len(c.card.Pages):
		return []byte{0x13} // the card answered with a NAK, no valid frame
	}
	out := []byte{0}
	for i := range 4 {
		p := c.card.Pages[(int(arg[2])+i)%len(c.card.Pages)]
		out = append(out, p[:]...)
	}
	return out
}
