package agent

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/store"
	"fountain/internal/logkey"
)

// roomEvery is how often the room for pours is looked at. PutIntent looks for itself before every pour.
const roomEvery = 5 * time.Second

// keepRoom gives up what is worth less than a pour when the disk fills up, and says so, until ctx ends.
//
//	caches, logs (Deps.Shed) ──► pours the cloud has acknowledged ──► ballast ──► no pour begins
func (a *Agent) keepRoom(ctx context.Context) error {
	owned := alarm.RaisedBy("agent/store_space.go")
	tick := time.NewTicker(roomEvery)
	defer tick.Stop()
	shedders := append(a.deps.Shed[:len(a.deps.Shed):len(a.deps.Shed)],
		store.Shedder{Name: "acknowledged pours", At: store.SpaceCritical, Shed: a.store.RetireAcked})
	for {
		sp, shed, err := a.store.MakeRoom(ctx, shedders)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			a.log.Warn("make room for pours", slog.Any(logkey.Err, err))
		}
		for _, s := range shed {
			a.log.Warn("made room for pours", slog.String(logkey.What, s.Name), slog.Uint64(logkey.Bytes, s.Freed), slog.Any(logkey.Err, s.Err))
		}
		a.board.Keep(owned, roomAlarms(sp))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// roomAlarms says what the room for pours is worth telling; that it is low the watch tells.
func roomAlarms(sp store.Space) []alarm.Alarm {
	var out []alarm.Alarm
	ev := fmt.Sprintf("%d KiB of %d MiB free", sp.Free>>10, sp.Size>>20)
	if sp.State == store.SpaceCritical {
		left := "the reserve is untouched"
		if !sp.Ballast {
			left = "the reserve is used up"
		}
		out = append(out, alarm.Alarm{Name: alarm.StoreCritical, Evidence: strings.Join([]string{ev, left}, ", ")})
	}
	if sp.Refusing {
		out = append(out, alarm.Alarm{Name: alarm.StoreNoRoom, Evidence: ev})
	}
	return out
}
