package qr

// grid is a code while it is drawn.
type grid struct {
	v, n  int
	dark  [][]bool
	taken [][]bool // by a function pattern: not data, not masked
}

func newGrid(v int) *grid {
	g := &grid{v: v, n: 17 + 4*v}
	g.dark, g.taken = square(g.n), square(g.n)
	for i := range g.n {
		g.set(6, i, i%2 == 0)
		g.set(i, 6, i%2 == 0)
	}
	g.finder(3, 3)
	g.finder(g.n-4, 3)
	g.finder(3, g.n-4)
	at := alignments(v)
	for i, x := range at {
		for j, y := range at {
			corner := i == 0 && j == 0 || i == 0 && j == len(at)-1 || i == len(at)-1 && j == 0
			if !corner {
				g.alignment(x, y)
			}
		}
	}
	g.format(0)
	g.version()
	return g
}

func square(n int) [][]bool {
	out := make([][]bool, n)
	for i := range out {
		out[i] = make([]bool, n)
	}
	return out
}

func (g *grid) set(x, y int, dark bool) { g.dark[y][x], g.taken[y][x] = dark, true }

func (g *grid) finder(cx, cy int) {
	for dy := -4; dy <= 4; dy++ {
		for dx := -4; dx <= 4; dx++ {
			if x, y := cx+dx, cy+dy; x >= 0 && x < g.n && y >= 0 && y < g.n {
				ring := max(abs(dx), abs(dy))
				g.set(x, y, ring != 2 && ring != 4)
			}
		}
	}
}

func (g *grid) alignment(cx, cy int) {
	for dy := -2; dy <= 2; dy++ {
		for dx := -2; dx <= 2; dx++ {
			g.set(cx+dx, cy+dy, max(abs(dx), abs(dy)) != 1)
		}
	}
}

func abs(v int) int { return max(v, -v) }

// alignments are the centres of the alignment patterns along one side (annex E).
func alignments(v int) []int {
	if v == 1 {
		return nil
	}
	n := v/7 + 2
	last := 10 + 4*v
	step := (last - 6 + 2*(n-1) - 1) / (2 * (n - 1)) * 2 // even, rounded up
	out := make([]int, n)
	out[0] = 6
	for i, at := n-1, last; i >= 1; i, at = i-1, at-step {
		out[i] = at
	}
	return out
}

// format writes level M and the mask, twice (annex C).
func (g *grid) format(mask int) {
	b := formatBits(mask)
	bit := func(i int) bool { return b>>i&1 != 0 }
	for i := range 6 {
		g.set(8, i, bit(i))
	}
	g.set(8, 7, bit(6))
	g.set(8, 8, bit(7))
	g.set(7, 8, bit(8))
	for i := 9; i < 15; i++ {
		g.set(14-i, 8, bit(i))
	}
	for i := range 8 {
		g.set(g.n-1-i, 8, bit(i))
	}
	for i := 8; i < 15; i++ {
		g.set(8, g.n-15+i, bit(i))
	}
	g.set(8, g.n-8, true)
}

func formatBits(mask int) int {
	const levelM = 0
	data := levelM<<3 | mask
	rem := data
	for range 10 {
		rem = rem<<1 ^ (rem>>9)*0x537
	}
	return (data<<10 | rem) ^ 0x5412
}

// version writes the version, twice, from version 7 on (annex D).
func (g *grid) version() {
	if g.v < 7 {
		return
	}
	b := versionBits(g.v)
	for i := range 18 {
		dark := b>>i&1 != 0
		g.set(g.n-11+i%3, i/3, dark)
		g.set(i/3, g.n-11+i%3, dark)
	}
}

func versionBits(v int) int {
	rem := v
	for range 12 {
		rem = rem<<1 ^ (rem>>11)*0x1F25
	}
	return v<<12 | rem
}

// path calls visit with every module that holds data, in the standard's order: columns of two from the right, up and down
// in turn.
func (g *grid) path(visit func(x, y int)) {
	up := true
	for right := g.n - 1; right >= 1; right -= 2 {
		if right == 6 {
			right = 5 // the vertical timing pattern is no column
		}
		for i := range g.n {
			y := i
			if up {
				y = g.n - 1 - i
			}
			for _, x := range [2]int{right, right - 1} {
				if !g.taken[y][x] {
					visit(x, y)
				}
			}
		}
		up = !up
	}
}

func (g *grid) fill(words []byte) {
	i := 0
	g.path(func(x, y int) {
		if i < len(words)*8 {
			g.dark[y][x] = words[i/8]>>(7-i%8)&1 != 0
		}
		i++
	})
}

var masks = [8]func(x, y int) bool{
	func(x, y int) bool { return (x+y)%2 == 0 },
	func(_, y int) bool { return y%2 == 0 },
	func(x, _ int) bool { return x%3 == 0 },
	func(x, y int) bool { return (x+y)%3 == 0 },
	func(x, y int) bool { return (x/3+y/2)%2 == 0 },
	func(x, y int) bool { return x*y%2+x*y%3 == 0 },
	func(x, y int) bool { return (x*y%2+x*y%3)%2 == 0 },
	func(x, y int) bool { return ((x+y)%2+x*y%3)%2 == 0 },
}

// masked is a copy with mask applied and named in the format.
func (g *grid) masked(mask int) *grid {
	m := &grid{v: g.v, n: g.n, dark: square(g.n), taken: g.taken}
	for y, row := range g.dark {
		for x, d := range row {
			m.dark[y][x] = d != (!g.taken[y][x] && masks[mask](x, y))
		}
	}
	m.format(mask)
	return m
}

// penalty judges how hard the code is to read (7.8.3).
func (g *grid) penalty() int {
	p, darks := 0, 0
	for i := range g.n {
		p += g.line(func(k int) bool { return g.dark[i][k] })
		p += g.line(func(k int) bool { return g.dark[k][i] })
	}
	for y, row := range g.dark {
		for x, d := range row {
			if d {
				darks++
			}
			if x+1 < g.n && y+1 < g.n && d == row[x+1] && d == g.dark[y+1][x] && d == g.dark[y+1][x+1] {
				p += 3
			}
		}
	}
	all := g.n * g.n
	return p + abs(darks*20-all*10)/all*10
}

// Finder-like runs with four light modules on one side.
const (
	likeBefore = 0b00001011101
	likeAfter  = 0b10111010000
)

// line is the penalty of one row or column: runs of five and more, and what looks like a finder.
func (g *grid) line(at func(int) bool) int {
	p, run, window := 0, 0, 0
	for i := range g.n {
		if i > 0 && at(i) == at(i-1) {
			run++
		} else {
			run = 1
		}
		switch {
		case run == 5:
			p += 3
		case run > 5:
			p++
		}
		window = window << 1 & (1<<11 - 1)
		if at(i) {
			window |= 1
		}
		if i >= 10 && (window == likeBefore || window == likeAfter) {
			p += 40
		}
	}
	return p
}
