package agent

import (
	"cmp"
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/inventory"
	"fountain/agent/maintenance"
	"fountain/hal"
	"fountain/internal/build"
)

// home is what the service home and the network page show. It keeps nothing.
type home struct{ a *Agent }

var _ apiserver.Home = home{}

// Overview composes the service home.
func (h home) Overview(ctx context.Context) (api.Overview, error) {
	a := h.a
	slots, err := h.slots(ctx)
	if err != nil {
		return api.Overview{}, err
	}
	return api.Overview{
		At: time.Now().In(a.cfg.Config.Location()), Place: a.cfg.Config.Unit.Venue, Serial: a.serial, Thing: a.cloud.thing(),
		Todos: h.todos(), Slots: slots, Figures: h.figures(),
		Versions: api.Versions{Software: build.Version, Catalogue: a.catalogue.Digest, Planogram: a.planogram.Name, Rig: a.cfg.Rig},
		Network:  h.Network(),
	}, nil
}

// actions are where an alarm's button leads; the others are shown.
var actions = map[alarm.Name]string{
	alarm.CartridgeEmpty: api.ActionCartridge, alarm.CartridgeLow: api.ActionCartridge, alarm.CartridgeAbsent: api.ActionCartridge,
	alarm.CartridgeWrong: api.ActionCartridge, alarm.CartridgeForeign: api.ActionCartridge, alarm.CartridgeExpired: api.ActionCartridge,
	alarm.CartridgeExpiring: api.ActionCartridge, alarm.CartridgeUnreadable: api.ActionCartridge, alarm.CartridgeUnverified: api.ActionCartridge,
	alarm.CleanDue: api.ActionClean, alarm.CleanOverdue: api.ActionClean, alarm.CleanUnfinished: api.ActionClean,
	alarm.CalibrationMissing: api.ActionCalibrate, alarm.CalibrationExpired: api.ActionCalibrate, alarm.MeterUncertain: api.ActionCalibrate,
	alarm.BrixDue: api.ActionBrix, alarm.AirInLine: api.ActionPrime, alarm.RigCheckMissing: api.ActionSelfTest,
	alarm.CloudOffline: api.ActionNetwork, alarm.NotProvisioned: api.ActionNetwork,
}

// todos are the alarms as things to do: what blocks most first.
func (h home) todos() []api.Todo {
	out := []api.Todo{}
	for _, l := range h.a.board.List() {
		t := api.Todo{
			Severity: string(l.Severity), Alarm: l.Name.String(), Scope: l.Scope, What: l.What, Evidence: l.Evidence, Remedy: l.Remedy,
			Action: cmp.Or(actions[l.Name], api.ActionShow), Hidden: h.hidden(l),
		}
		switch {
		case l.Scope != alarm.ScopeUnit:
			t.Line = l.Scope
		case l.Name == alarm.CleanUnfinished:
			t.Line = maintenance.Nozzle // its cleaning concerns the whole unit
		}
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(x, y api.Todo) int { // the board's order otherwise
		if x.Severity != y.Severity {
			return strings.Compare(x.Severity, y.Severity) // "blocks" before "warns"
		}
		return cmp.Compare(y.Hidden, x.Hidden)
	})
	return out
}

// hidden is how many beverages an alarm keeps off the screen.
func (h home) hidden(l alarm.Alarm) (n int) {
	if l.Severity != alarm.Blocks {
		return 0
	}
	ingredient := beverage.IngredientID(l.Scope) // of a recall; else it is the slot's, or none
	for _, s := range h.a.planogram.Slots {
		if s.Slot == l.Scope {
			ingredient = s.Ingredient
		}
	}
	blocked := h.a.view.blockedNow()
	for _, it := range h.a.menu.items {
		_, needs := it.needs[ingredient]
		if blocked[it.id] != "" && (l.Scope == alarm.ScopeUnit || l.Scope == string(it.id) || needs || it.carrier == ingredient || slices.Contains(h.a.scopes.carrier(it.carrier), l.Scope)) {
			n++
		}
	}
	return n
}

// slots are the cartridges as levels.
func (h home) slots(ctx context.Context) ([]api.SlotLevel, error) {
	list, err := h.a.slots.List(ctx)
	if err != nil {
		return nil, err
	}
	low := map[string]bool{}
	for _, l := range h.a.board.List() {
		if l.Name == alarm.CartridgeLow {
			low[l.Scope] = true
		}
	}
	full := map[string]inventory.Level{}
	for _, l := range h.a.book.Levels() {
		full[l.Slot] = l
	}
	out := make([]api.SlotLevel, 0, len(list))
	for _, c := range list {
		s := api.SlotLevel{
			Slot: c.Slot, Ingredient: c.Ingredient, LeftUL: c.LeftUL, FullUL: full[c.Slot].FullUL, State: c.State, Low: low[c.Slot],
		}
		if ing, ok := h.a.catalogue.Ingredient(beverage.IngredientID(c.Ingredient)); ok {
			s.Name = ing.Name
		}
		s.Percent = percent(s.LeftUL, s.FullUL)
		if full[c.Slot].Empty {
			s.Percent = 0
		}
		out = append(out, s)
	}
	return out, nil
}

// percent never rounds something down to nothing.
func percent(left, full int64) int {
	if left <= 0 || full <= 0 {
		return 0
	}
	return int(min(max((left*100+full/2)/full, 1), 100))
}

func (h home) figures() api.Figures {
	a := h.a
	st := a.store.Stats()
	f := api.Figures{
		DrinksToday: a.book.Today(a.now()), Online: a.cloud.online(), LastSync: a.cloud.lastSync(), Backlog: st.Pending,
		UptimeS: int64(time.Since(a.started) / time.Second),
	}
	roles := map[hal.Role]**float64{hal.RoleWaterTemp: &f.WaterC, hal.RoleCO2Pressure: &f.GasKPa, hal.RoleWaterPressure: &f.InletKPa}
	values := a.readiness.readings()
	for _, p := range a.readiness.probes {
		if into, got := roles[p.role], values[p.id]; into != nil && *into == nil && got.At > 0 && got.Quality == hal.Good {
			*into = &got.Value
		}
	}
	f.FreeBytes, f.TotalBytes = a.disk()
	return f
}

// disk is what is free of the storage the state lies on; 0, 0 when nobody knows.
func (a *Agent) disk() (free, size uint64) {
	var fs unix.Statfs_t
	if unix.Statfs(a.cfg.State, &fs) != nil {
		return 0, 0
	}
	return fs.Bavail * uint64(fs.Bsize), fs.Blocks * uint64(fs.Bsize)
}

// Network tells how the unit reaches the cloud.
func (h home) Network() api.Network {
	cfg := h.a.cfg.Config.Cloud
	c := h.a.cloud.status()
	n := api.Network{Links: links(), Cloud: c.State, Endpoint: c.Endpoint, LastErr: hide(c.LastErr), Proxy: config.MaskProxy(cfg.Proxy)}
	if set, err := config.Technician(h.a.technicianFile()); err == nil {
		if next, ok := set[proxyKey].(string); ok && next != cfg.Proxy {
			n.NextProxy = cmp.Or(config.MaskProxy(next), "none")
		}
	}
	return n
}

// proxyKey is the key of the proxy.
const proxyKey = "cloud.proxy"

// SetProxy stores the proxy; it is used from the next start on.
func (h home) SetProxy(in api.SetProxy) (api.Network, error) {
	_, err := settings(h).Set(proxyKey, api.SetConfig{Value: in.Proxy, Person: in.Person})
	return h.Network(), err
}

// links are the network interfaces that somebody can plug in or that have an address, but not the loopback.
func links() []api.NetLink {
	out := []api.NetLink{}
	list, err := net.Interfaces()
	if err != nil {
		return out // the page shows that there is none, and the cloud's state says more
	}
	for _, i := range list {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		l := api.NetLink{Name: i.Name, Up: i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0, MAC: i.HardwareAddr.String(), Addresses: []string{}}
		if addrs, err := i.Addrs(); err == nil {
			for _, a := range addrs {
				l.Addresses = append(l.Addresses, a.String())
			}
		}
		if _, err := os.Stat(filepath.Join("/sys/class/net", i.Name, "device")); err != nil && len(l.Addresses) == 0 {
			continue // the kernel's own
		}
		out = append(out, l)
	}
	return out
}

// setTechnician stores one of a technician's keys and lets it count, if it is one of the screen.
func (a *Agent) setTechnician(key, value string) error {
	a.setup.mu.Lock() // one change of the file at a time
	defer a.setup.mu.Unlock()
	if err := config.SetTechnician(a.technicianFile(), key, value); err != nil {
		return err
	}
	a.remote.technician()
	return nil
}

// settings is the configuration as a technician sees it.
type settings struct{ a *Agent }

var _ apiserver.Settings = settings{}

// List lists every key: as it counts, and how it will from the next start on.
func (s settings) List() ([]api.ConfigValue, error) {
	start, now := s.a.cfg.Config.Values(), s.a.present.Load().Values()
	out := make([]api.ConfigValue, len(now))
	for i, v := range now {
		next := v
		if !config.Live(v.Key) {
			v = start[i]
		}
		row := api.ConfigValue{Key: v.Key, Value: v.Value, Origin: v.Origin.Kind, Where: v.Origin.Where, Doc: v.Doc, Tech: v.Tech, Cloud: v.Cloud}
		if config.Show(next.Value) != config.Show(v.Value) {
			row.Next = next.Value
		}
		out[i] = row
	}
	return out, nil
}

// Set stores one key in the technician's file. Those of the screen count at once, the others from the next start on.
func (s settings) Set(key string, in api.SetConfig) (api.ConfigValue, error) {
	err := s.a.setTechnician(key, in.Value)
	s.a.audit.noted(in.Person, "set "+key, "", err)
	if err != nil {
		return api.ConfigValue{}, err
	}
	list, err := s.List()
	i := slices.IndexFunc(list, func(v api.ConfigValue) bool { return v.Key == key })
	if err != nil || i < 0 {
		return api.ConfigValue{Key: key}, err
	}
	return list[i], nil
}
