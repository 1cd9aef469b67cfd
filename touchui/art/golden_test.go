package art

import (
	"testing"

	"fountain/agent/beverage"
	"fountain/internal/golden"
	"fountain/touchui/theme"
)

// tolerance allows for float arithmetic of other CPUs.
const tolerance = 3

func brand(t *testing.T, id beverage.BrandID) *beverage.Brand {
	t.Helper()
	c := catalogue(t)
	for i := range c.Brands {
		if c.Brands[i].ID == id {
			return &c.Brands[i]
		}
	}
	t.Fatalf("the default catalogue has no %s", id)
	return nil
}

func TestGolden(t *testing.T) {
	f, r := fonts(t), theme.Light()
	golden.PNG(t, Tile(f, brand(t, "lemonpark"), "Lemonade", TileFull, r.BG, false, r), "testdata/tile.png", tolerance)
	golden.PNG(t, Tile(f, brand(t, "yuzu-ferry"), "Back soon", TileFull, r.BG, true, r), "testdata/tile-drained.png", tolerance)
	golden.PNG(t, Tile(f, brand(t, "orchard-clock"), "Apple juice", TileSmall, r.BG, false, r), "testdata/tile-small.png", tolerance)
	golden.PNG(t, FavouriteCard(brand(t, "night-tram"), "Black Cherry Zero", "No sugar").Draw(f, r.BG, r), "testdata/favourite.png", tolerance)
}
