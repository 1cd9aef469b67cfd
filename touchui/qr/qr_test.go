package qr

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// The check codewords of the standard's own example (annex I: 01234567 as 1-M).
func TestRemainderOfTheStandard(t *testing.T) {
	data := []byte{0x10, 0x20, 0x0C, 0x56, 0x61, 0x80, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11}
	want := []byte{0xA5, 0x24, 0xD4, 0xC1, 0xED, 0x36, 0xC7, 0x87, 0x2C, 0x55}
	if got := remainder(data, 10); !bytes.Equal(got, want) {
		t.Errorf("% X, want % X", got, want)
	}
}

// Format and version words from the tables of annexes C and D.
func TestFormatAndVersionWords(t *testing.T) {
	for mask, want := range []int{0x5412, 0x5125, 0x5E7C, 0x5B4B, 0x45F9, 0x40CE, 0x4F97, 0x4AA0} {
		if got := formatBits(mask); got != want {
			t.Errorf("mask %d: %#x, want %#x", mask, got, want)
		}
	}
	for v, want := range map[int]int{7: 0x07C94, 8: 0x085BC, 14: 0x0E60D, 20: 0x149A6} {
		if got := versionBits(v); got != want {
			t.Errorf("version %d: %#x, want %#x", v, got, want)
		}
	}
	for v, want := range map[int]int{1: 16, 2: 28, 5: 86, 7: 124, 10: 216, 15: 415, 20: 669} {
		if got := dataWords(v); got != want {
			t.Errorf("version %d holds %d codewords, want %d", v, got, want)
		}
	}
}

// Codes that another implementation made, module for module once the mask is the same: encoders may differ in how they
// judge the eight masks, and nothing else.
func TestKnownCodes(t *testing.T) {
	for name, text := range map[string]string{
		"hello": "hello", "url": "https://fountain.example/u/7k3q",
		"v7": strings.Repeat("0123456789abcdefghij", 6), "long": strings.Repeat("Fountain pours what you hold. ", 12),
	} {
		b, err := os.ReadFile("testdata/" + name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		var want [][]bool
		for l := range strings.Lines(string(b)) {
			l = strings.TrimSuffix(l, "\n")
			row := make([]bool, len(l)/2)
			for i := range row {
				row[i] = l[2*i] == '#'
			}
			want = append(want, row)
		}
		v := (len(want) - 17) / 4
		g := newGrid(v)
		g.fill(interleave(codewords(text, v), v))
		if wrong := differences(g.masked(maskOf(want)).dark, want); wrong != 0 {
			t.Errorf("%s (version %d): %d modules differ", name, v, wrong)
		}
		got, err := Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d modules wide, want %d", name, len(got), len(want))
		}
	}
}

func differences(a, b [][]bool) (n int) {
	for y := range b {
		for x := range b[y] {
			if y >= len(a) || a[y][x] != b[y][x] {
				n++
			}
		}
	}
	return n
}

// maskOf reads the mask a code says it has.
func maskOf(m [][]bool) int {
	n := 0
	for i := range 3 {
		if m[8][4-i] { // bits 10 to 12 of the format
			n |= 1 << i
		}
	}
	return (n ^ 0x5412>>10) & 7
}

// Whatever is encoded is read back by the standard's rules from the modules alone.
func TestEveryTextIsReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	for n := range Longest + 1 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		m, err := Encode(string(b))
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, m); got != string(b) {
			t.Fatalf("%d bytes: read back % X, want % X", n, got, b)
		}
	}
	if _, err := Encode(strings.Repeat("x", Longest+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("one byte too many: %v", err)
	}
}

// read decodes a code without errors in it.
func read(t *testing.T, m [][]bool) string {
	t.Helper()
	g := newGrid((len(m) - 17) / 4)
	mask := maskOf(m)
	var in bits
	g.path(func(x, y int) {
		d := 0
		if m[y][x] != masks[mask](x, y) {
			d = 1
		}
		in.add(d, 1)
	})
	blocks, checks := blockCount[g.v], checkWords[g.v]
	parts := make([][]byte, blocks)
	short, long := dataWords(g.v)/blocks, dataWords(g.v)%blocks
	at := 0
	for i := range short + 1 {
		for b := range blocks {
			if i < short || b >= blocks-long {
				parts[b] = append(parts[b], in.b[at])
				at++
			}
		}
	}
	var data []byte
	for _, p := range parts {
		data = append(data, p...)
	}
	for range checks {
		for b := range blocks {
			parts[b] = append(parts[b], in.b[at])
			at++
		}
	}
	for b, p := range parts {
		if rest := remainder(p, checks); !bytes.Equal(rest, make([]byte, checks)) {
			t.Fatalf("block %d of version %d leaves % X", b, g.v, rest)
		}
	}
	bit := 0
	take := func(n int) (v int) {
		for range n {
			v = v<<1 | int(data[bit/8]>>(7-bit%8)&1)
			bit++
		}
		return v
	}
	if mode := take(4); mode != 4 {
		t.Fatalf("mode %d", mode)
	}
	n := 0
	if g.v < 10 {
		n = take(8)
	} else {
		n = take(16)
	}
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(take(8))
	}
	return string(out)
}
