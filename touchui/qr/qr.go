// Package qr draws a text as a QR code (ISO/IEC 18004): byte mode, error correction level M, versions 1 to 20, the mask the
// standard's rules prefer. It imports nothing but the standard library and keeps no state.
//
//	text ─bytes─► codewords ─Reed-Solomon─► interleaved ─zigzag─► modules ─mask of least penalty─► Encode
package qr

import (
	"errors"
	"fmt"
)

// Longest is how many bytes fit into the largest code made.
const Longest = 666

// Quiet is how many light modules have to stay free around a code for a camera to find it.
const Quiet = 4

// ErrTooLong is returned by Encode for a text of more than Longest bytes.
var ErrTooLong = errors.New("the text is too long for a QR code")

const versions = 20

// What the standard's table 9 says of level M, by version: check codewords in a block, and blocks.
var (
	checkWords = [versions + 1]int{0, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26}
	blockCount = [versions + 1]int{0, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16}
)

// Encode returns the rows of the smallest code that holds text; true is dark. The quiet zone is not part of it.
func Encode(text string) (modules [][]bool, err error) {
	v := 1
	for v <= versions && len(text) > capacity(v) {
		v++
	}
	if v > versions {
		return nil, fmt.Errorf("encode %d bytes: %w", len(text), ErrTooLong)
	}
	g := newGrid(v)
	g.fill(interleave(codewords(text, v), v))
	best, least := 0, -1
	for mask := range masks {
		m := g.masked(mask)
		if p := m.penalty(); least < 0 || p < least {
			best, least = mask, p
		}
	}
	return g.masked(best).dark, nil
}

// capacity is how many bytes version v holds: mode and length take 12 bits, from version 10 on 20.
func capacity(v int) int {
	if v < 10 {
		return dataWords(v) - 2
	}
	return dataWords(v) - 3
}

// totalWords is how many codewords the free modules of version v hold.
func totalWords(v int) int {
	n := (16*v+128)*v + 64
	if v >= 2 {
		a := v/7 + 2
		n -= (25*a-10)*a - 55
	}
	if v >= 7 {
		n -= 36
	}
	return n / 8
}

func dataWords(v int) int { return totalWords(v) - checkWords[v]*blockCount[v] }

// codewords is text in byte mode, padded to what version v holds.
func codewords(text string, v int) []byte {
	var b bits
	b.add(0b0100, 4)
	if v < 10 {
		b.add(len(text), 8)
	} else {
		b.add(len(text), 16)
	}
	for i := range len(text) {
		b.add(int(text[i]), 8)
	}
	want := dataWords(v)
	b.add(0, min(4, want*8-b.n))
	b.add(0, (8-b.n%8)%8)
	for pad := 0xEC; b.n < want*8; pad ^= 0xEC ^ 0x11 {
		b.add(pad, 8)
	}
	return b.b
}

// interleave splits data into blocks, adds their check codewords and takes one codeword of each block in turn.
func interleave(data []byte, v int) []byte {
	blocks, checks := blockCount[v], checkWords[v]
	short, long := len(data)/blocks, len(data)%blocks // the last blocks hold one more
	var parts, ecc [][]byte
	for i := range blocks {
		n := short
		if i >= blocks-long {
			n++
		}
		parts, ecc = append(parts, data[:n]), append(ecc, remainder(data[:n], checks))
		data = data[n:]
	}
	var out []byte
	for i := range short + 1 {
		for _, p := range parts {
			if i < len(p) {
				out = append(out, p[i])
			}
		}
	}
	for i := range checks {
		for _, p := range ecc {
			out = append(out, p[i])
		}
	}
	return out
}

// bits is a growing row of bits, the first one the highest of the first byte.
type bits struct {
	b []byte
	n int
}

func (b *bits) add(v, n int) {
	for i := n - 1; i >= 0; i-- {
		if b.n%8 == 0 {
			b.b = append(b.b, 0)
		}
		b.b[b.n/8] |= byte(v>>i&1) << (7 - b.n%8)
		b.n++
	}
}

// remainder are the n check codewords of data: the remainder by the generator whose roots are 2^0 to 2^(n-1).
func remainder(data []byte, n int) []byte {
	gen := make([]byte, n) // without the leading 1, highest power first
	gen[n-1] = 1
	root := byte(1)
	for range n {
		for j := range gen {
			gen[j] = times(gen[j], root)
			if j+1 < n {
				gen[j] ^= gen[j+1]
			}
		}
		root = times(root, 2)
	}
	rem := make([]byte, n)
	for _, d := range data {
		f := d ^ rem[0]
		copy(rem, rem[1:])
		rem[n-1] = 0
		for i := range rem {
			rem[i] ^= times(gen[i], f)
		}
	}
	return rem
}

// times multiplies in GF(256) with the standard's polynomial x^8 + x^4 + x^3 + x^2 + 1.
func times(a, b byte) byte {
	x := 0
	for i := 7; i >= 0; i-- {
		x = x<<1 ^ (x>>7)*0x11D
		x ^= int(b>>i&1) * int(a)
	}
	return byte(x)
}
