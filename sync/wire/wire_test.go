package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"fountain/sync/wire"
)

func rec(seq int) []byte {
	raw, _ := json.Marshal(wire.Record{
		V: 1, ID: "i", Thing: "t", Log: "L", Seq: uint64(seq), Beverage: "b", Outcome: wire.Completed, Source: "touch", Rig: "sim",
	})
	return raw
}

func TestTopicLimits(t *testing.T) {
	long := strings.Repeat("x", 128)
	for name, tc := range map[string]struct {
		err error
		ok  bool
	}{
		"plain":                       {wire.CheckTopic("a/b"), true},
		"seven slashes":               {wire.CheckTopic("1/2/3/4/5/6/7/8"), true},
		"eight slashes":               {wire.CheckTopic("1/2/3/4/5/6/7/8/9"), false},
		"eight with basic ingest":     {wire.CheckTopic("$aws/rules/r/1/2/3/4/5/6/7/8"), true},
		"too many after basic ingest": {wire.CheckTopic("$aws/rules/r/1/2/3/4/5/6/7/8/9"), false},
		"256 bytes":                   {wire.CheckTopic(strings.Repeat("x", 256)), true},
		"257 bytes":                   {wire.CheckTopic(strings.Repeat("x", 257)), false},
		"257 with basic ingest":       {wire.CheckTopic("$aws/rules/r/" + strings.Repeat("x", 250)), true},
		"longest thing":               {wire.CheckTopic(wire.BasicIngest("pours", long)), true},
		"longest shadow topic":        {wire.CheckTopic(wire.Shadow(long, strings.Repeat("s", 64)).Accepted("update")), true},
		"wildcard":                    {wire.CheckTopic("a/+"), false},
		"empty":                       {wire.CheckTopic(""), false},
		"NUL":                         {wire.CheckTopic("a\x00"), false},
		"bad UTF-8":                   {wire.CheckTopic("a\xff"), false},
		"filter plus":                 {wire.CheckFilter("a/+/b"), true},
		"filter hash":                 {wire.CheckFilter("a/#"), true},
		"filter hash inside":          {wire.CheckFilter("a/#/b"), false},
		"filter half":                 {wire.CheckFilter("a/b+"), false},
		"eight filters":               {wire.CheckSubscribe(strings.Split("a b c d e f g h", " ")), true},
		"nine filters":                {wire.CheckSubscribe(strings.Split("a b c d e f g h i", " ")), false},
		"no filter":                   {wire.CheckSubscribe(nil), false},
		"payload":                     {wire.CheckPayload(make([]byte, 128<<10)), true},
		"payload too big":             {wire.CheckPayload(make([]byte, 128<<10+1)), false},
		"client id":                   {wire.CheckClientID(long), true},
		"client id too long":          {wire.CheckClientID(long + "x"), false},
		"client id with $":            {wire.CheckClientID("$x"), false},
		"client id empty":             {wire.CheckClientID(""), false},
		"thing":                       {wire.CheckThing("fountain-1_a:b"), true},
		"thing with slash":            {wire.CheckThing("a/b"), false},
		"classic shadow":              {wire.CheckShadowName(""), true},
		"shadow too long":             {wire.CheckShadowName(strings.Repeat("s", 65)), false},
		"token":                       {wire.CheckClientToken(strings.Repeat("s", 64)), true},
		"token too long":              {wire.CheckClientToken(strings.Repeat("s", 65)), false},
	} {
		if (tc.err == nil) != tc.ok || tc.err != nil && !errors.Is(tc.err, wire.ErrLimit) {
			t.Errorf("%s: %v", name, tc.err)
		}
	}
}

func TestTopics(t *testing.T) {
	if got := wire.BasicIngest("pours", "u1"); got != "$aws/rules/pours/c/u1" {
		t.Error(got)
	}
	if rule, rest, ok := wire.ParseBasicIngest("$aws/rules/pours/c/u1"); !ok || rule != "pours" || rest != "c/u1" {
		t.Error(rule, rest, ok)
	}
	if rule, rest, ok := wire.ParseBasicIngest("$aws/rules/pours"); !ok || rule != "pours" || rest != "" {
		t.Error(rule, rest, ok)
	}
	for _, bad := range []string{"$aws/rules/", "$aws/rules//c", "$aws/rules/pours/", "x/rules/p/c"} {
		if _, _, ok := wire.ParseBasicIngest(bad); ok {
			t.Errorf("%s was taken", bad)
		}
	}
	for topic, want := range map[string]wire.ShadowTopic{
		"$aws/things/u/shadow/get":                             {"u", "", "get", ""},
		"$aws/things/u/shadow/update/delta":                    {"u", "", "update", "delta"},
		"$aws/things/u/shadow/name/ledger/update":              {"u", "ledger", "update", ""},
		"$aws/things/u/shadow/name/ledger/get/rejected":        {"u", "ledger", "get", "rejected"},
		"$aws/things/u/shadow/name/ledger/update/documents":    {"u", "ledger", "update", "documents"},
		string(wire.Shadow("u", "x")) + "/delete/accepted":     {"u", "x", "delete", "accepted"},
		wire.Shadow("u", "").Delta():                           {"u", "", "update", "delta"},
		wire.Shadow("u", "n").Rejected(wire.ShadowGet):         {"u", "n", "get", "rejected"},
		wire.Shadow("u", "n").Documents():                      {"u", "n", "update", "documents"},
		wire.Shadow("name", "name").Request(wire.ShadowUpdate): {"name", "name", "update", ""},
	} {
		if got, ok := wire.ParseShadow(topic); !ok || got != want || got.String() != topic {
			t.Errorf("%s: %+v %v", topic, got, ok)
		}
	}
	for _, bad := range []string{
		"$aws/things/u/shadow", "$aws/things//shadow/get", "$aws/things/u/shadow/get/delta", "$aws/things/u/shadow/name/get",
		"$aws/things/u/shadow/name//get", "$aws/things/u/jobs/get", "$aws/things/u/shadow/get/accepted/x", "$aws/things/u/shadow/put",
	} {
		if got, ok := wire.ParseShadow(bad); ok {
			t.Errorf("%s was taken as %+v", bad, got)
		}
	}
	for topic, want := range map[string][2]string{
		wire.TopicProvision("units"):                {"units", ""},
		wire.Accepted(wire.TopicProvision("units")): {"units", "accepted"},
		wire.Rejected(wire.TopicProvision("units")): {"units", "rejected"},
	} {
		if name, kind, ok := wire.ParseProvision(topic); !ok || name != want[0] || kind != want[1] {
			t.Errorf("%s: %s %s %v", topic, name, kind, ok)
		}
	}
	if _, _, ok := wire.ParseProvision("$aws/provisioning-templates/a/b/provision/json"); ok {
		t.Error("a template with a slash was taken")
	}
}

func TestBatchKeepsBytes(t *testing.T) {
	odd := []byte(`{"v":1,  "id":"i","thing":"t","log":"L","seq":7,"beverage":"b","outcome":"completed","rig":"hw","new":{"a":[1,2,"]"]}}`)
	in := [][]byte{rec(1), odd, rec(3)}
	payload := wire.AppendBatch(nil, in...)
	total := 0
	for _, r := range in {
		total += len(r)
	}
	if len(payload) != wire.BatchSize(len(in), total) || !json.Valid(payload) {
		t.Errorf("%d bytes", len(payload))
	}
	items := wire.DecodeBatch(payload)
	if len(items) != 3 {
		t.Fatalf("%d items", len(items))
	}
	for i, it := range items {
		if it.Err != nil || !bytes.Equal(it.Raw, in[i]) {
			t.Errorf("item %d: %s %v", i, it.Raw, it.Err)
		}
	}
	if items[1].Record.Seq != 7 {
		t.Errorf("record %+v", items[1].Record)
	}
	if got := wire.DecodeBatch(wire.AppendBatch(nil)); len(got) != 0 || wire.BatchSize(0, 0) != 2 {
		t.Errorf("empty batch: %v", got)
	}
}

// One bad element leaves its neighbours alone.
func TestBadElements(t *testing.T) {
	g := string(rec(1))
	for name, tc := range map[string]struct {
		payload string
		good    int
		bad     []error
	}{
		"wrong field":         {"[" + g + `,{"v":1},` + g + "]", 2, []error{wire.ErrRecord}},
		"not an object":       {"[" + g + ",5,null," + g + "]", 2, []error{wire.ErrRecord, wire.ErrRecord}},
		"broken inside":       {"[" + g + `,{"a":},` + g + "]", 2, []error{wire.ErrRecord}},
		"nothing between":     {"[" + g + ",," + g + "]", 2, []error{wire.ErrRecord}},
		"comma at the end":    {"[" + g + ",]", 1, []error{wire.ErrRecord}},
		"cut off":             {"[" + g + "," + g[:20], 1, []error{wire.ErrBatch}},
		"string does not end": {"[" + g + `,{"a":"b},` + g + "]", 1, []error{wire.ErrBatch}},
		"brackets crossed":    {"[" + g + "}," + g + "]", 0, []error{wire.ErrBatch}},
		"tail":                {"[" + g + "]x", 1, []error{wire.ErrBatch}},
		"no array":            {g, 0, []error{wire.ErrBatch}},
		"nothing":             {"", 0, []error{wire.ErrBatch}},
		"white space":         {" [ " + g + " ,\n" + g + " ] ", 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			good := 0
			var bad []error
			for _, it := range wire.DecodeBatch([]byte(tc.payload)) {
				if it.Err == nil {
					good++
					continue
				}
				bad = append(bad, it.Err)
			}
			if good != tc.good || len(bad) != len(tc.bad) {
				t.Fatalf("%d good, bad %v", good, bad)
			}
			for i := range bad {
				if !errors.Is(bad[i], tc.bad[i]) {
					t.Errorf("bad %d is %v", i, bad[i])
				}
			}
		})
	}
}

func TestLedger(t *testing.T) {
	raw, err := json.Marshal(wire.Ledger{Ack: map[string]wire.Ack{"L": {Upto: 5}}})
	if err != nil || string(raw) != `{"ack":{"L":{"upto":5,"missing":[],"seen":0,"have":[]}}}` {
		t.Errorf("%s %v", raw, err)
	}
	many := fmt.Sprint(strings.Repeat("1,", 32), "1")
	for name, bad := range map[string]string{
		"not JSON": `{`, "five logs": `{"ack":{"a":{},"b":{},"c":{},"d":{},"e":{}}}`, "no name": `{"ack":{"":{}}}`,
		"33 missing": `{"ack":{"a":{"missing":[` + many + `]}}}`, "not ascending": `{"ack":{"a":{"missing":[3,2]}}}`,
		"nine ranges":    `{"ack":{"a":{"have":[[1,1],[2,2],[3,3],[4,4],[5,5],[6,6],[7,7],[8,8],[9,9]]}}}`,
		"ranges overlap": `{"ack":{"a":{"have":[[3,5],[5,6]]}}}`, "range upside down": `{"ack":{"a":{"have":[[3,2]]}}}`,
		"zero": `{"ack":{"a":{"missing":[0]}}}`, "negative": `{"ack":{"a":{"upto":-1}}}`,
	} {
		if _, err := wire.DecodeLedger([]byte(bad)); !errors.Is(err, wire.ErrLedger) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err := wire.DecodeLedger([]byte(`{"ack":{"L":{"upto":9,"missing":[4,12]}},"other":1}`))
	if err != nil || l.Ack["L"].Safe() != 3 {
		t.Errorf("%+v %v", l, err)
	}
	if l, err := wire.DecodeLedger(nil); err != nil || l.Ack != nil {
		t.Errorf("absent: %+v %v", l, err)
	}
}

// stable asserts that what was parsed survives encode and parse.
func stable[T any](t *testing.T, v T, decode func([]byte) (T, error)) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encode %+v: %v", v, err)
	}
	again, err := decode(raw)
	if err != nil {
		t.Fatalf("decode own %s: %v", raw, err)
	}
	raw2, err := json.Marshal(again)
	if err != nil || !bytes.Equal(raw, raw2) {
		t.Fatalf("not stable: %s then %s (%v)", raw, raw2, err)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add(wire.AppendBatch(nil, rec(1), rec(2)))
	f.Add([]byte(`[{"a":},[],"x\"]",]`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		items := wire.DecodeBatch(payload)
		var raws [][]byte
		for _, it := range items {
			if (it.Err == nil) == (it.Record == nil) {
				t.Fatalf("item %+v", it)
			}
			if it.Err == nil {
				raws = append(raws, it.Raw)
			}
		}
		again := wire.DecodeBatch(wire.AppendBatch(nil, raws...))
		if len(again) != len(raws) {
			t.Fatalf("%d good items became %d", len(raws), len(again))
		}
		for i, it := range again {
			if it.Err != nil || !bytes.Equal(it.Raw, raws[i]) {
				t.Fatalf("item %d: %q became %q: %v", i, raws[i], it.Raw, it.Err)
			}
		}
		if json.Valid(payload) && bytes.HasPrefix(bytes.TrimSpace(payload), []byte("[")) {
			var elems []json.RawMessage
			if err := json.Unmarshal(payload, &elems); err != nil {
				t.Fatal(err)
			}
			if len(elems) != len(items) {
				t.Fatalf("%d elements by encoding/json, %d here", len(elems), len(items))
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(rec(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := wire.DecodeRecord(b); err == nil {
			stable(t, r, wire.DecodeRecord)
		}
	})
}

func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"ack":{"L":{"upto":9,"missing":[4,12],"seen":13}}}`))
	f.Add([]byte(`{"L":{"last":1,"acked":0,"backlog":1,"quarantined":0,"alarm":""},"old":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := wire.DecodeLedger(b); err == nil {
			stable(t, l, wire.DecodeLedger)
		}
		if r, err := wire.DecodeLedgerReport(b); err == nil {
			stable(t, r, wire.DecodeLedgerReport)
		}
	})
}

func FuzzShadow(f *testing.F) {
	f.Add([]byte(`{"state":{"desired":{"a":1},"reported":null},"metadata":{},"version":3,"timestamp":1,"clientToken":"x"}`))
	f.Add([]byte(`{"state":{"a":1},"version":3}`))
	f.Add([]byte(`{"code":409,"message":"Version conflict"}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := wire.DecodeShadowDocument(b); err == nil {
			stable(t, v, wire.DecodeShadowDocument)
		}
		if v, err := wire.DecodeShadowDelta(b); err == nil {
			stable(t, v, wire.DecodeShadowDelta)
		}
		if v, err := wire.DecodeShadowChange(b); err == nil {
			stable(t, v, wire.DecodeShadowChange)
		}
		if v, err := wire.DecodeShadowRequest(b); err == nil {
			stable(t, v, wire.DecodeShadowRequest)
		}
		if v, err := wire.DecodeShadowError(b); err == nil {
			stable(t, v, wire.DecodeShadowError)
		}
	})
}

func FuzzProvisioning(f *testing.F) {
	f.Add([]byte(`{"certificateSigningRequest":"x","certificateId":"a","certificatePem":"b","certificateOwnershipToken":"c"}`))
	f.Add([]byte(`{"thingName":"t","deviceConfiguration":{"a":"b"},"parameters":{"a":"b"},"statusCode":400,"errorCode":"X"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := wire.DecodeCreateFromCSR(b); err == nil {
			stable(t, v, wire.DecodeCreateFromCSR)
		}
		if v, err := wire.DecodeCertificate(b); err == nil {
			stable(t, v, wire.DecodeCertificate)
		}
		if v, err := wire.DecodeRegisterThing(b); err == nil {
			stable(t, v, wire.DecodeRegisterThing)
		}
		if v, err := wire.DecodeRegisteredThing(b); err == nil {
			stable(t, v, wire.DecodeRegisteredThing)
		}
		if v, err := wire.DecodeProvisionError(b); err == nil {
			stable(t, v, wire.DecodeProvisionError)
		}
	})
}

func FuzzTopics(f *testing.F) {
	f.Add("$aws/things/u/shadow/name/ledger/update/delta")
	f.Add("$aws/provisioning-templates/units/provision/json/accepted")
	f.Add("$aws/rules/pours/c/u1")
	f.Fuzz(func(t *testing.T, topic string) {
		if s, ok := wire.ParseShadow(topic); ok && s.String() != topic {
			t.Fatalf("%q became %q", topic, s)
		}
		if name, kind, ok := wire.ParseProvision(topic); ok {
			want := wire.TopicProvision(name)
			if kind != "" {
				want += "/" + kind
			}
			if want != topic {
				t.Fatalf("%q became %q", topic, want)
			}
		}
		if rule, rest, ok := wire.ParseBasicIngest(topic); ok && strings.TrimSuffix("$aws/rules/"+rule+"/"+rest, "/") != topic {
			t.Fatalf("%q became %q and %q", topic, rule, rest)
		}
		if wire.CheckTopic(topic) == nil && wire.CheckFilter(topic) != nil {
			t.Fatalf("%q may be published to but not subscribed", topic)
		}
	})
}

func TestShadowNullIsKeptInARequestOnly(t *testing.T) {
	ch, err := wire.DecodeShadowChange([]byte(`{"state":{"reported":null}}`))
	if err != nil || string(ch.State.Reported) != "null" {
		t.Errorf("%+v %v", ch, err)
	}
	doc, err := wire.DecodeShadowDocument([]byte(`{"state":{"reported":null},"version":1,"timestamp":1}`))
	if err != nil || doc.State.Reported != nil {
		t.Errorf("%+v %v", doc, err)
	}
	if !reflect.DeepEqual(doc.State, wire.ShadowState{}) {
		t.Errorf("%+v", doc.State)
	}
}
