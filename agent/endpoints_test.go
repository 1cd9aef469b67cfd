package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fountain/agent/config"
	"fountain/cloud/awsiot"
	"fountain/sync/mqttlink"
	"fountain/sync/wire"
)

// TestOfTwoClouds: the second takes over when the first dies, and the unit goes back to the first when it answers again.
func TestOfTwoClouds(t *testing.T) {
	const first, second = "localhost:8883", "localhost:8884"
	onlineUnit(t, func(cfg *config.Config) { cfg.Cloud.MQTT = first + ", " + second }, func(v *virtual, c *localCloud) {
		other, err := awsiot.New(c.Config)
		if err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		c.more[second] = other
		c.mu.Unlock()
		if st := v.a.cloud.status(); st.Endpoint != first || !slices.Equal(st.Endpoints, []string{first, second}) {
			t.Errorf("%+v", st)
		}
		c.dies(first, true)
		v.await("the second takes over", 15*time.Minute, func() bool { st := v.a.cloud.status(); return st.State == cloudOnline && st.Endpoint == second })
		v.pour(v.some("water.still", "", ""), 100_000)
		v.await("the pour is in the cloud", 5*time.Minute, func() bool { return c.seqs(v.a.store.Log()) == 1 })
		c.dies(first, false)
		v.await("back", 2*time.Hour, func() bool { st := v.a.cloud.status(); return st.State == cloudOnline && st.Endpoint == first })
		c.forgive() // the looks at the first cloud, which send nothing
	})
}

// dies lets an address answer no more, or again.
func (c *localCloud) dies(addr string, dead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead[addr] = dead
	if dead {
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.conns = nil
	}
}

// TestEndpointsFromTheShadow: a list that does not work is refused and reported, and the unit stays where it was; one that
// works counts, also at the next start, and the first in it may be another cloud.
func TestEndpointsFromTheShadow(t *testing.T) {
	const first, second, nowhere = "localhost:8883", "localhost:8884", "localhost:9999"
	onlineUnit(t, func(cfg *config.Config) { // with a base that the shadow's values can be merged with
		set := cfg.Cloud
		loaded, err := config.Load("", []string{
			"FOUNTAIN_UNIT_SERIAL=" + cfg.Unit.Serial + "E1", "FOUNTAIN_CLOUD_MQTT=" + set.MQTT, "FOUNTAIN_CLOUD_CA=" + set.CA, "FOUNTAIN_CLOUD_CLAIM_CERT=" + set.ClaimCert,
			"FOUNTAIN_CLOUD_CLAIM_KEY=" + set.ClaimKey, "FOUNTAIN_CLOUD_TEMPLATE=" + set.Template,
		})
		if err != nil {
			t.Fatal(err)
		}
		loaded.Sync = cfg.Sync
		*cfg = *loaded
	}, func(v *virtual, c *localCloud) {
		other, err := awsiot.New(c.Config)
		if err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		c.more[second], c.dead[nowhere] = other, true
		c.mu.Unlock()
		thing := v.thing()
		report := func() (out struct {
			Cloud  map[string]string
			Status wire.ConfigReport
		},
		) {
			c.reported(thing, wire.ConfigShadow, &out)
			return out
		}
		c.desire(thing, wire.ConfigShadow, `{"cloud":{"mqtt":"`+nowhere+`"}}`)
		v.await("it is refused", 15*time.Minute, func() bool {
			r := report().Status.Refused
			return v.a.cloud.online() && len(r) == 1 && r[0].Key == "cloud.mqtt"
		})
		if st := v.a.cloud.status(); st.Endpoint != first || report().Cloud["mqtt"] != "" {
			t.Errorf("%+v %+v", st, report())
		}
		if _, err := os.Stat(filepath.Join(v.a.cfg.State, config.CloudName)); err == nil {
			t.Error("a list that does not work is kept")
		}
		list := second + "," + first
		c.desire(thing, wire.ConfigShadow, `{"cloud":{"mqtt":"`+list+`"}}`)
		v.await("it counts", 15*time.Minute, func() bool {
			st := v.a.cloud.status()
			return st.State == cloudOnline && st.Endpoint == second && report().Cloud["mqtt"] == list
		})
		if r := report().Status; len(r.Refused) > 0 || len(r.Restart) > 0 {
			t.Errorf("%+v", r)
		}
		kept, err := config.ReadShadow(filepath.Join(v.a.cfg.State, config.CloudName))
		var d struct{ Cloud struct{ MQTT string } }
		if err != nil || json.Unmarshal(kept.Desired, &d) != nil || d.Cloud.MQTT != list {
			t.Errorf("%s %v", kept.Desired, err)
		}
		before := v.a.cloud.status()
		time.Sleep(10 * time.Minute)
		if st := v.a.cloud.status(); st.Endpoint != second || st.State != cloudOnline {
			t.Errorf("%+v, was %+v", st, before)
		}

		// A disk that is slow to keep a list that has proved itself costs no other connection.
		back := first + "," + second
		said := config.Shadow{Version: 99, Desired: json.RawMessage(`{"cloud":{"mqtt":"` + back + `"}}`)}
		now := func() *mqttlink.Link { // the link there is
			v.a.cloud.mu.Lock()
			defer v.a.cloud.mu.Unlock()
			return v.a.cloud.link
		}
		link := now()
		connects := link.State().Connects
		done := make(chan error)
		v.a.cloud.lists <- newList{mqtt: back, reply: func(err error) {
			time.Sleep(3 * endpointsEvery)
			c.desire(thing, wire.ConfigShadow, string(said.Desired))
			v.a.remote.tried(said, back, err)
			done <- err
		}}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if now() != link || link.State().Connects != connects+1 {
			t.Errorf("%d connections for one list", link.State().Connects-connects)
		}

		// A session that ends while a list is tried does not keep it from being tried again.
		c.desire(thing, wire.ConfigShadow, `{"cloud":{"mqtt":"`+nowhere+`"}}`)
		v.await("it is tried", time.Minute, func() bool { return !v.a.cloud.online() })
		v.a.cloud.endSession(errMoved)
		v.await("it is refused after all", 15*time.Minute, func() bool {
			r := report().Status.Refused
			return v.a.cloud.online() && len(r) == 1 && r[0].Key == "cloud.mqtt"
		})
	})
}
