package agent

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/hal/sim"
)

func TestMetricsOfParts(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		v.inject(sim.Fault{Kind: sim.CartridgeGone, Part: "s02"})
		v.raised(alarm.CartridgeAbsent, "s02", 3*time.Second)
		v.inject(sim.Fault{Kind: sim.CartridgeGone, Part: "s03"})
		v.raised(alarm.CartridgeAbsent, "s03", 3*time.Second)
		v.clear(sim.Fault{Kind: sim.CartridgeGone, Part: "s03"})
		v.await("one ends", 3*time.Second, func() bool { return !v.a.board.Has(alarm.CartridgeAbsent, "s03") })
		v.pour(v.some(still, "", lemon), 150_000)
		rec := httptest.NewRecorder()
		v.a.metrics().ServeHTTP(rec, httptest.NewRequest("GET", "/v1/metrics", nil))
		page := rec.Body.String()
		for _, want := range []string{
			`fountain_alarm{name="cartridge_absent",severity="blocks"} 1`, `fountain_alarm{name="leak",severity="blocks"} 0`,
			`fountain_alarm_raised_total{name="cartridge_absent",severity="blocks"} 2`,
			`fountain_sensor_value{role="water-temp",sensor="t_water"} `, `fountain_sensor_good{role="co2-pressure",sensor="p_co2"} 1`,
			`fountain_cartridge_slots{state="absent"} 1`, `fountain_cartridge_slots{state="ok"} 79`,
			`fountain_cartridge_left_ml{ingredient="juice.lemon",slot="s02"} 0`, `fountain_beverages_blocked{reason="sold_out"} `,
			`fountain_valve_close_lag_pours{valve="still"} 1`, `fountain_waste_ml_total{kind="nozzle_rinse"}`, "fountain_lost_pulses_total 0",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("no %s", want)
			}
		}
		if t.Failed() {
			t.Log(page)
		}
	})
}
