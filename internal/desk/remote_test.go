package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/sync/wire"
)

// TestRecallOfTheWholeSystem is remote stop as an operator does it: the REST call that the aws command makes stops the
// pour within two seconds; a restart that the cloud asks for does not end the recall; false does.
func TestRecallOfTheWholeSystem(t *testing.T) {
	const drink = "lemonpark.classic" // of midPour
	d, u := startDesk(t, nil)
	u.awaitReady(t)
	c := u.client(t)
	var st api.Status
	await(t, patience, "the unit is in the cloud", func() (bool, string) {
		var err error
		st, err = c.Status(t.Context())
		return err == nil && st.Thing != "" && st.Cloud.State == "online", fmt.Sprint(st.Cloud, err)
	})
	e, err := ReadEndpoints(filepath.Join(d.dir, "cloud", "endpoints.json"))
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string) []byte {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, e.Control+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		out, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, out, err)
		}
		return out
	}
	recall := func(value string) {
		t.Helper()
		call(http.MethodPost, "/things/"+st.Thing+"/shadow?name="+wire.RecallShadow, fmt.Sprintf(`{"state":{"desired":{"beverages":{%q:%s}}}}`, drink, value))
	}
	why := func() string {
		t.Helper()
		s, err := c.Snapshot(t.Context())
		if err != nil {
			return err.Error()
		}
		return s.Blocked[drink]
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pour, released, _ := u.midPour(ctx, t, 30_000)
	said := time.Now()
	recall("true")
	await(t, patience, "every valve is shut", func() (bool, string) {
		s, err := u.plant(t).State(t.Context())
		if err != nil {
			return false, err.Error()
		}
		for _, v := range s.Valves {
			if v.Commanded {
				return false, v.ID
			}
		}
		return true, ""
	})
	t.Logf("recall to valves shut: %v", time.Since(said).Round(time.Millisecond))
	<-released
	switch r := d.recordOf(t, pour); {
	case hostStalled(r.Reason):
		t.Logf("the record says %s %s", r.Outcome, r.Reason)
	case r.Outcome != wire.Stopped || r.Reason != "recalled":
		t.Errorf("the record says %s %s", r.Outcome, r.Reason)
	}
	await(t, patience, "it is off the menu", func() (bool, string) { return why() == "recalled", why() })

	const job = "restart-1"
	document, err := json.Marshal(map[string]any{
		"targets": []string{"arn:aws:iot:us-east-1:123456789012:thing/" + st.Thing}, "document": `{"v":1,"operation":"restart"}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	call(http.MethodPut, "/jobs/"+job, string(document))
	await(t, patience, "the agent is another one", func() (bool, string) {
		now, err := c.Status(t.Context())
		return err == nil && now.StartedAt.After(st.StartedAt), fmt.Sprint(err)
	})
	await(t, patience, "the job is reported", func() (bool, string) {
		out := call(http.MethodGet, "/things/"+st.Thing+"/jobs/"+job, "")
		return strings.Contains(string(out), wire.JobSucceeded), string(out)
	})
	if got := why(); got != "recalled" {
		t.Errorf("after the restart it is %q", got)
	}
	recall("false")
	await(t, patience, "it is offered again", func() (bool, string) { return why() == "", why() })
}
