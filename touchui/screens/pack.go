package screens

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"fountain/agent/beverage"
	"fountain/internal/logkey"
	"fountain/touchui/art"
	"fountain/touchui/assets"
	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// Assets says where composed tiles are kept between starts, and how the panel has its pixels.
type Assets struct {
	Dir      string // "": nowhere, tiles are composed whenever they are needed
	Rotation paint.Rotation
	Format   display.PixelFormat
}

// packs keeps the wall's tiles in an asset pack: opened when there is one for the present look and catalogue, otherwise
// composed in the background and swapped in.
//
//	wall ─stock─► same as before? ─no─► Shelf.Open ─ok──────────────────► Look.Ready
//	                                        └─ none, foreign, damaged ─► Shelf.Build (a goroutine) ─► Look.Ready
//
// It belongs to the Fyne thread, except busy.
type packs struct {
	assets   Assets
	shelf    assets.Shelf
	meta     assets.Meta
	building context.CancelFunc // nil: no build runs
	failed   assets.Meta        // could not be built: not tried again before something changes
	busy     atomic.Bool        // a pour or a finger needs the machine
}

// packPoll is how often a build that waits looks again whether it may go on.
const packPoll = 200 * time.Millisecond

// stock makes sure that the tiles of this spec come from a pack, now or soon.
func (u *UI) stock(spec art.TileSpec) {
	k := &u.packs
	if k.assets.Dir == "" {
		return
	}
	meta := u.packMeta(spec)
	if meta == k.meta && (u.Ready != nil || k.building != nil) {
		return
	}
	if k.building != nil {
		k.building()
		k.building = nil
	}
	k.meta, u.Ready = meta, nil
	p, err := k.shelf.Open(meta)
	if err == nil {
		u.usePack(p)
		return
	}
	if !errors.Is(err, os.ErrNotExist) {
		u.log.Warn("tiles are composed anew", slog.Any(logkey.Err, err))
	}
	if meta != k.failed {
		u.buildPack(meta, spec)
	}
}

// packMeta is everything a tile's pixels depend on.
func (u *UI) packMeta(spec art.TileSpec) assets.Meta {
	look := sha256.Sum256(fmt.Appendf(nil, "%s %s %v %v %v %v", assets.Program(), u.Words.Tag(), u.Words.RTL(), u.Large, u.Roles, spec))
	return assets.Meta{
		Width: u.Geo.W, Height: u.Geo.H, Rotation: u.packs.assets.Rotation, Format: u.packs.assets.Format,
		Look: fmt.Sprintf("%x", look[:12]), Catalogue: u.cat.Digest,
	}
}

func (u *UI) usePack(p *assets.Pack) {
	u.Ready = func(key string) image.Image {
		b, err := p.Picture(key)
		switch {
		case err == nil:
			return b
		case !errors.Is(err, assets.ErrMissing):
			u.log.Warn("tiles are composed anew", slog.Any(logkey.Err, err))
			u.Ready, u.packs.meta = nil, assets.Meta{} // the next wall makes another
			if err := u.packs.shelf.Discard(p); err != nil {
				u.log.Warn("remove asset pack", slog.Any(logkey.Err, err))
			}
		}
		return nil
	}
}

// buildPack composes every brand's tile at low priority and swaps them in.
func (u *UI) buildPack(meta assets.Meta, spec art.TileSpec) {
	ctx, cancel := context.WithCancel(context.Background())
	u.packs.building = cancel
	fonts, roles, book, brands := u.Fonts, u.Roles, u.Words, map[string]*beverage.Brand{}
	var keys []string
	for i := range u.cat.Brands {
		b := &u.cat.Brands[i]
		k := tileKey(BrandRow{Brand: b}, spec)
		keys, brands[k] = append(keys, k), b
	}
	shelf, quit := u.packs.shelf, u.pour.quit
	u.wg.Go(func() {
		defer cancel()
		p, err := shelf.Build(ctx, meta, keys, func(ctx context.Context) error {
			for {
				select {
				case <-quit:
					return context.Canceled
				default:
				}
				if !u.packs.busy.Load() {
					return nil
				}
				select {
				case <-quit:
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(packPoll):
				}
			}
		}, func(key string) *image.RGBA {
			return drawTile(fonts, roles, book, BrandRow{Brand: brands[key]}, spec)
		})
		u.stage.Do(func() { u.packBuilt(meta, p, err) })
	})
}

func (u *UI) packBuilt(meta assets.Meta, p *assets.Pack, err error) {
	if u.packs.meta != meta {
		return // the look has changed meanwhile
	}
	u.packs.building = nil
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			u.packs.failed = meta
			u.log.Warn("keep composed tiles", slog.Any(logkey.Err, err))
		}
		return
	}
	u.log.Info("tiles are kept for the next start", slog.Int(logkey.Count, p.Len()))
	u.usePack(p)
}

// packBusy tells a build whether to wait: no tile is composed while somebody pours or has just touched the screen.
func (u *UI) packBusy() {
	const still = 2 * time.Second
	u.packs.busy.Store(u.pour.active() || u.stage.Touching() || u.now().Sub(u.stage.LastTouch()) < still)
}

// tile is a brand's tile, ready or composed now.
func (u *UI) tile(r BrandRow, spec art.TileSpec) image.Image {
	return u.Composed(func() *image.RGBA { return drawTile(u.Fonts, u.Roles, u.Words, r, spec) }, "%s", tileKey(r, spec))
}

func tileKey(r BrandRow, spec art.TileSpec) string {
	return fmt.Sprintf("tile/%s/%v/%d", r.Brand.ID, r.Drained, spec.W)
}

func drawTile(f *theme.Fonts, r theme.Roles, w *words.Book, row BrandRow, spec art.TileSpec) *image.RGBA {
	kind := w.Name(row.Brand.Kind)
	if row.Drained {
		kind = w.T("home.soon")
	}
	return art.Tile(f, row.Brand, kind, spec, r.BG, row.Drained, r)
}
