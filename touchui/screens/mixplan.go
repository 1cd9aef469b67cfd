package screens

import "fountain/touchui/sheet"

// mixPlan is where everything on the mix page stands, in drawn pixels.
type mixPlan struct {
	rail                                 float64 // wide: what is left of the dome's side
	x, step, colW, colY, colH, zone, k   float64
	namePX, numPX, gripW, gripH          float64
	inGrip                               bool // numbers stand in the grips: there is no room over them
	titleY, titlePX, titleW              float64
	subY, subPX, subW                    float64
	factsY, factsPX                      float64
	factsRoom                            float64
	swapY, swapH, swapPX                 float64
	swapX, swapW                         float64 // swapW > 0: beside the column, its sign alone
	figY, figPX, figLabel                float64
	sizeX, sizeY, sizeW, sizeH, sizeStep float64
	sizePX, keepW                        float64
	sizeCols                             int
	cupX, cupY, cupW, cupH               float64
	pillB, pillH, pillPX                 float64
}

// mixPlanOf is the page for portrait, small and large landscape panels. Columns take or give what a panel has more or less
// than the drawn one, and what fingers need for the buttons above them.
func mixPlanOf(g sheet.Geo) mixPlan {
	m := mixPlan{
		x: 40, step: 339, colW: 322, zone: 130, k: 1, namePX: 50, numPX: 112, gripW: 200, gripH: 72,
		titleY: 106, titlePX: 100, titleW: 800, subY: 214, subPX: 34, subW: 800, factsY: 260, factsPX: 24, factsRoom: 80,
		swapY: 348, swapH: 96, swapPX: 28, figY: 1262 + lift(g), figPX: 60, figLabel: 32,
		sizeX: 40, sizeY: 1350 + lift(g), sizeW: 238, sizeH: 96, sizeStep: 254, sizePX: 28, keepW: 238, sizeCols: 4,
		cupX: 882, cupY: 68, cupW: 146, cupH: 244, pillB: 444, pillH: 112, pillPX: 30,
	}
	gap := 16.0
	switch {
	case roomy(g):
		gap = 12
		m = mixPlan{
			rail: 912, x: 48, step: 286, colW: 270, zone: 76, k: .6, namePX: 36, numPX: 44, gripW: 216, gripH: 64, inGrip: true,
			titleY: 22, titlePX: 54, titleW: 820, subY: 80, subPX: 22, subW: 850, factsY: 110, factsPX: 18, factsRoom: 46,
			swapY: 160, swapH: 62, swapPX: 22, figY: 546, figPX: 40, figLabel: 22,
			sizeX: 930, sizeY: 30, sizeW: 150, sizeH: 72, sizeStep: 162, sizePX: 22, keepW: 150, sizeCols: 2,
			cupX: 934, cupY: 226, cupW: 84, cupH: 144, pillB: 92, pillH: 64, pillPX: 22,
		}
	case g.Wide:
		gap = 8
		m = mixPlan{
			rail: 440, x: 28, step: 136, colW: 126, zone: 40, k: .42, namePX: 22, numPX: 28, gripW: 112, gripH: 40, inGrip: true,
			titleY: 8, titlePX: 34, titleW: 400, subY: 44, subPX: 16, subW: 404, factsY: 354, factsPX: 15, factsRoom: 54,
			swapY: 68, swapH: 56, swapPX: 18, figY: 320, figPX: 28, figLabel: 18,
			sizeX: 448, sizeY: 12, sizeW: 108, sizeH: 60, sizeStep: 116, sizePX: 20, keepW: 164, sizeCols: 3,
			cupX: 454, cupY: 164, cupW: 58, cupH: 98, pillB: 68, pillH: 60, pillPX: 20,
		}
	}
	m.colY = m.swapY + float64(target(g, m.swapH))/g.K + gap
	m.colH = m.figY - gap - m.colY
	return m
}
