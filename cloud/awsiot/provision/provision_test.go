package provision

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/broker"
	"fountain/cloud/store"
)

const (
	createTopic = "$aws/certificates/create/json"
	csrTopic    = "$aws/certificates/create-from-csr/json"
	regTopic    = "$aws/provisioning-templates/tpl/provision/json"
	hookARN     = "arn:aws:lambda:us-east-1:123456789012:function:h"
)

const body = `{"Parameters":{"S":{"Type":"String"},"L":{"Type":"String","Default":"nowhere"},"AWS::IoT::Certificate::Id":{"Type":"String"}},
	"Mappings":{"Sites":{"berlin":{"url":"b.example"},"nowhere":{"url":"n.example"}}},
	"Resources":{
	"thing":{"Type":"AWS::IoT::Thing","OverrideSettings":{"AttributePayload":"MERGE","ThingTypeName":"REPLACE","ThingGroups":"DO_NOTHING"},
		"Properties":{"ThingName":{"Fn::Join":["",["u-",{"Ref":"S"}]]},"ThingTypeName":"tt","ThingGroups":["g"],"AttributePayload":{"serial":{"Ref":"S"},"place":{"Ref":"L"}}}},
	"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"Active"}},
	"policy":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"p"}}},
	"DeviceConfiguration":{"url":{"Fn::FindInMap":["Sites",{"Ref":"L"},"url"]}}}`

type fixture struct {
	t      *testing.T
	db     *store.SQLite
	svc    *Service
	claim  string // certificate id of the connection
	kicked []string
}

// fixtureWith makes a service whose template tpl names a hook when hook is not nil.
func fixtureWith(t *testing.T, hook Hook) *fixture {
	t.Helper()
	f := &fixture{t: t}
	var err error
	if f.db, err = store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "cloud.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.db.Close(); err != nil {
			t.Error(err)
		}
	})
	ca, err := authority.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f.svc = New(Config{
		ARN: "arn:aws:iot:us-east-1:123456789012:", Authority: ca, Store: f.db, Hook: hook,
		Kick: func(thing string) { f.kicked = append(f.kicked, thing) }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	set := store.TemplateSettings{Enabled: true}
	if hook != nil {
		set.HookARN = hookARN
	}
	f.claim = f.certificate(store.Certificate{Status: store.CertActive})
	f.must(f.db.CreateEntry(t.Context(), store.Entry{Kind: store.KindTemplate, Name: "tpl", Settings: mustJSON(set), Created: 1}, body),
		f.db.CreateEntry(t.Context(), store.Entry{Kind: store.KindPolicy, Name: "p", Created: 1}, "{}"),
		f.db.CreateEntry(t.Context(), store.Entry{Kind: store.KindType, Name: "tt", Created: 1}, ""),
		f.db.CreateEntry(t.Context(), store.Entry{Kind: store.KindGroup, Name: "g", Created: 1}, ""))
	return f
}

func (f *fixture) must(errs ...error) {
	f.t.Helper()
	if err := errors.Join(errs...); err != nil {
		f.t.Fatal(err)
	}
}

// certificate stores a certificate of a fresh key.
func (f *fixture) certificate(c store.Certificate) string {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	f.must(err)
	made, err := f.svc.cfg.Authority.Issue(&key.PublicKey, authority.Subject())
	f.must(err)
	made.Status, made.Claim, made.Created = c.Status, c.Claim, max(c.Created, 1)
	f.must(f.db.PutCertificate(f.t.Context(), made))
	return made.ID
}

// ask sends a request and returns the topic of the answer and its body.
func (f *fixture) ask(topic string, payload any) (string, map[string]any) {
	f.t.Helper()
	b, ok := payload.([]byte)
	if !ok {
		b = mustJSON(payload)
	}
	var at string
	var got []byte
	if !f.svc.Serve(f.t.Context(), broker.Request{
		Topic: topic, Payload: b, ClientID: "claim-1", CertificateID: f.claim,
		Reply: func(topic string, payload []byte) { at, got = topic, payload },
	}) {
		f.t.Fatalf("%s is served by nobody", topic)
	}
	var m map[string]any
	if b, err := decodeCBOR(got); err == nil {
		m = b
	} else if err := json.Unmarshal(got, &m); err != nil {
		f.t.Fatalf("%s: %s", at, got)
	}
	return at, m
}

func (f *fixture) accepted(topic string, payload any) map[string]any {
	f.t.Helper()
	at, m := f.ask(topic, payload)
	if at != topic+"/accepted" {
		f.t.Fatalf("%s: %v", at, m)
	}
	return m
}

func (f *fixture) rejected(topic string, payload any, status int, code string) {
	f.t.Helper()
	at, m := f.ask(topic, payload)
	s, _ := m["statusCode"].(float64)
	if n, ok := m["statusCode"].(int64); ok {
		s = float64(n)
	}
	if at != topic+"/rejected" || int(s) != status || m["errorCode"] != code || m["errorMessage"] == "" || len(m) != 3 {
		f.t.Fatalf("%s: %v, want %d %s", at, m, status, code)
	}
}

func (f *fixture) token() string {
	f.t.Helper()
	return f.accepted(csrTopic, map[string]string{"certificateSigningRequest": request(f.t)})["certificateOwnershipToken"].(string)
}

func request(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

type dict = map[string]any

func reg(token string, params ...string) dict {
	p := map[string]string{}
	for i := 0; i+1 < len(params); i += 2 {
		p[params[i]] = params[i+1]
	}
	return dict{"certificateOwnershipToken": token, "parameters": p}
}

// TestCreateKeys: who brings no key gets one, and it is the certificate's.
func TestCreateKeys(t *testing.T) {
	f := fixtureWith(t, nil)
	for _, payload := range []any{[]byte{}, dict{}} {
		m := f.accepted(createTopic, payload)
		key, _ := pem.Decode([]byte(m["privateKey"].(string)))
		cert, _ := pem.Decode([]byte(m["certificatePem"].(string)))
		priv, err := x509.ParsePKCS1PrivateKey(key.Bytes)
		f.must(err)
		leaf, err := x509.ParseCertificate(cert.Bytes)
		f.must(err)
		if !priv.PublicKey.Equal(leaf.PublicKey) || m["certificateId"] != authority.ID(leaf.Raw) {
			t.Fatal("the key is not the certificate's")
		}
		c, err := f.db.Certificate(t.Context(), m["certificateId"].(string))
		f.must(err)
		if c.Status != store.CertPending {
			t.Fatalf("%+v", c)
		}
		if thing := f.accepted(regTopic, reg(m["certificateOwnershipToken"].(string), "S", "1"))["thingName"]; thing != "u-1" {
			t.Fatal(thing)
		}
	}
	f.rejected(createTopic, []byte(`[]`), 400, "InvalidJson")
}

func TestRegister(t *testing.T) {
	f := fixtureWith(t, nil)
	ctx := t.Context()
	tok := f.token()
	got := f.accepted(regTopic, reg(tok, "S", "1", "L", "berlin", "extra", "for the hook only"))
	if d := cmp.Diff(dict{"thingName": "u-1", "deviceConfiguration": dict{"url": "b.example"}}, got); d != "" {
		t.Fatal(d)
	}
	th, err := f.db.Thing(ctx, "u-1")
	f.must(err)
	if d := cmp.Diff(map[string]string{"serial": "1", "place": "berlin"}, th.Attributes); d != "" || th.Type != "tt" || th.Serial != "" {
		t.Fatalf("%s %+v", d, th)
	}
	if g, err := f.db.GroupsOf(ctx, "u-1"); err != nil || len(g) != 1 {
		t.Fatal(g, err)
	}
	for name, tc := range map[string]struct {
		topic   string
		payload any
		status  int
		code    string
	}{
		"token used":        {regTopic, reg(tok, "S", "1"), 400, "InvalidCertificateOwnershipToken"},
		"no token":          {regTopic, reg("", "S", "1"), 400, "InvalidCertificateOwnershipToken"},
		"wrong token":       {regTopic, reg("x", "S", "1"), 400, "InvalidCertificateOwnershipToken"},
		"no such template":  {"$aws/provisioning-templates/none/provision/json", reg(tok), 404, "ResourceNotFound"},
		"parameter missing": {regTopic, reg(f.token()), 400, "InvalidRequest"},
		"bad thing name":    {regTopic, reg(f.token(), "S", "a b"), 400, "InvalidRequest"},
		"not in the map":    {regTopic, reg(f.token(), "S", "1", "L", "mars"), 400, "InvalidRequest"},
		"no JSON":           {regTopic, []byte("{"), 400, "InvalidJson"},
		"parameters no map": {regTopic, []byte(`{"parameters":[1]}`), 400, "InvalidJson"},
		"no request":        {csrTopic, dict{"certificateSigningRequest": "x"}, 400, "InvalidCertificateSigningRequest"},
	} {
		t.Run(name, func(t *testing.T) { f.rejected(tc.topic, tc.payload, tc.status, tc.code) })
	}
	// Registered again, without a hook: OverrideSettings decide, and the older certificate goes on working as on AWS.
	f.must(f.db.UpdateThing(ctx, "u-1", 0, func(t *store.Thing) error { t.Attributes["mine"] = "x"; return nil }))
	f.must(f.db.RemoveFromGroup(ctx, "g", "u-1"))
	f.accepted(regTopic, reg(f.token(), "S", "1"))
	th, err = f.db.Thing(ctx, "u-1")
	f.must(err)
	if d := cmp.Diff(map[string]string{"serial": "1", "place": "nowhere", "mine": "x"}, th.Attributes); d != "" {
		t.Fatal(d)
	}
	if g, err := f.db.GroupsOf(ctx, "u-1"); err != nil || len(g) != 0 {
		t.Fatal("DO_NOTHING did something", g, err)
	}
	certs, err := f.db.CertificatesOf(ctx, "u-1")
	f.must(err)
	if len(certs) != 2 || certs[0].Status != store.CertActive || certs[1].Status != store.CertActive {
		t.Fatalf("%+v", certs)
	}
	f.must(f.db.UpdateEntry(ctx, store.KindTemplate, "tpl", 0, 1, func(e *store.Entry) error {
		e.Settings = mustJSON(store.TemplateSettings{Enabled: false})
		return nil
	}))
	f.rejected(regTopic, reg(f.token(), "S", "2"), 400, "InvalidRequest")
}

// TestNoThing: a template may make a certificate count without a thing; then the answer names none.
func TestNoThing(t *testing.T) {
	f := fixtureWith(t, nil)
	f.must(f.db.CreateEntry(t.Context(), store.Entry{Kind: store.KindTemplate, Name: "none", Settings: mustJSON(store.TemplateSettings{Enabled: true}), Created: 1},
		`{"Parameters":{"AWS::IoT::Certificate::Id":{"Type":"String"}},"Resources":{
		"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"}}},
		"policy":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"p"}}}}`))
	made := f.accepted(createTopic, dict{})
	got := f.accepted("$aws/provisioning-templates/none/provision/json", reg(made["certificateOwnershipToken"].(string)))
	if d := cmp.Diff(dict{"deviceConfiguration": dict{}}, got); d != "" {
		t.Error(d)
	}
	c, err := f.db.Certificate(t.Context(), made["certificateId"].(string))
	if err != nil || c.Status != store.CertActive || len(f.kicked) != 0 {
		t.Errorf("%+v %v, ended %v", c, err, f.kicked)
	}
}

// TestExclusive: a template may say that the certificate is for its thing only.
func TestExclusive(t *testing.T) {
	f := fixtureWith(t, nil)
	for name, tc := range map[string]struct {
		property string
		sole     bool
	}{"plain": {`"Status":"Active"`, false}, "both": {`"ThingPrincipalType":"NON_EXCLUSIVE_THING"`, false}, "sole": {`"ThingPrincipalType":"EXCLUSIVE_THING"`, true}} {
		text := strings.Replace(body, `"Status":"Active"`, tc.property, 1)
		f.must(f.db.CreateEntry(t.Context(), store.Entry{Kind: store.KindTemplate, Name: name, Settings: mustJSON(store.TemplateSettings{Enabled: true}), Created: 1}, text))
		made := f.accepted(createTopic, dict{})
		f.accepted("$aws/provisioning-templates/"+name+"/provision/json", reg(made["certificateOwnershipToken"].(string), "S", name))
		c, err := f.db.Certificate(t.Context(), made["certificateId"].(string))
		if err != nil || c.Sole != tc.sole {
			t.Errorf("%s: %+v %v", name, c, err)
		}
	}
	tmpl, err := ParseTemplate(strings.Replace(body, `"Status":"Active"`, `"ThingPrincipalType":"SOMEHOW"`, 1))
	f.must(err)
	if _, err := tmpl.plan(map[string]string{"S": "1", ParamCertificateID: "c"}); err == nil {
		t.Error("a kind that is none")
	}
}

// TestCBOR: the same service, answered in the form of the topic.
func TestCBOR(t *testing.T) {
	f := fixtureWith(t, nil)
	m := f.accepted("$aws/certificates/create-from-csr/cbor", appendCBOR(nil, dict{"certificateSigningRequest": request(t)}))
	got := f.accepted("$aws/provisioning-templates/tpl/provision/cbor", appendCBOR(nil, dict{
		"certificateOwnershipToken": m["certificateOwnershipToken"], "parameters": dict{"S": "1"},
	}))
	if d := cmp.Diff(dict{"thingName": "u-1", "deviceConfiguration": dict{"url": "n.example"}}, got); d != "" {
		t.Fatal(d)
	}
	f.rejected("$aws/certificates/create/cbor", []byte{0x83}, 400, "InvalidCbor")
}

// TestTokens: a token lives an hour, that of a claim made for an app five minutes, as the claim itself.
func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fixtureWith(t, nil)
		tok := f.token()
		time.Sleep(tokenLife - time.Second)
		f.accepted(regTopic, reg(tok, "S", "1"))
		tok = f.token()
		time.Sleep(tokenLife)
		f.rejected(regTopic, reg(tok, "S", "1"), 400, "InvalidCertificateOwnershipToken")
		f.token() // deletes what has expired
		if all, err := f.db.ListCertificates(t.Context(), "", 9, false); err != nil || len(all) != 3 {
			t.Fatalf("%d certificates, want the claim, the unit's and the one that waits: %v", len(all), err)
		}
		made, err := f.svc.CreateClaim(t.Context(), "tpl")
		f.must(err)
		f.claim = made.CertificateID
		tok = f.token()
		f.rejected("$aws/provisioning-templates/other/provision/json", reg(tok, "S", "2"), 403, "AccessDenied")
		time.Sleep(claimLife - time.Second)
		f.accepted(regTopic, reg(tok, "S", "2"))
		time.Sleep(time.Second)
		f.rejected(csrTopic, dict{"certificateSigningRequest": request(t)}, 403, "AccessDenied")
	})
}

type hookFunc func(ctx context.Context, r HookRequest) (map[string]string, error)

func (h hookFunc) Allow(ctx context.Context, r HookRequest) (map[string]string, error) {
	return h(ctx, r)
}

func TestHook(t *testing.T) {
	var seen HookRequest
	answer := map[string]string{}
	var refuse error
	f := fixtureWith(t, hookFunc(func(_ context.Context, r HookRequest) (map[string]string, error) { seen = r; return answer, refuse }))
	f.accepted(regTopic, reg(f.token(), "S", "1", "extra", "x"))
	if seen.Thing != "u-1" || seen.Serial != "1" || seen.Parameters["extra"] != "x" || seen.ClaimCertificateID != f.claim || seen.CertificateID == "" ||
		seen.CertificatePEM == "" || seen.TemplateARN != "arn:aws:iot:us-east-1:123456789012:provisioningtemplate/tpl" || seen.ClientID != "claim-1" {
		t.Fatalf("%+v", seen)
	}
	if len(f.kicked) != 1 || f.kicked[0] != "u-1" {
		t.Fatal(f.kicked)
	}
	answer["L"] = "berlin"
	if got := f.accepted(regTopic, reg(f.token(), "S", "2", "L", "nowhere")); got["deviceConfiguration"].(dict)["url"] != "b.example" {
		t.Fatalf("the hook's parameter does not count: %v", got)
	}
	answer["S"] = "9"
	f.rejected(regTopic, reg(f.token(), "S", "2"), 403, "AccessDenied")
	delete(answer, "S")
	refuse = errors.New("not you")
	f.rejected(regTopic, reg(f.token(), "S", "3"), 403, "AccessDenied")
	if _, err := f.db.Thing(t.Context(), "u-3"); !errors.Is(err, store.ErrNotFound) {
		t.Fatal("a refused thing was made")
	}
}

// TestHookTooSlow: after five seconds the answer is no.
func TestHookTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan struct{})
		f := fixtureWith(t, hookFunc(func(context.Context, HookRequest) (map[string]string, error) {
			<-late // deaf to the context, as a hook in another process is
			return nil, nil
		}))
		tok, began := f.token(), time.Now()
		f.rejected(regTopic, reg(tok, "S", "1"), 403, "AccessDenied")
		if took := time.Since(began); took != hookLimit {
			t.Fatalf("after %s", took)
		}
		close(late)
	})
}

// TestClaimOnce: a serial is somebody's from the first connection on, until it is released.
func TestClaimOnce(t *testing.T) {
	f := fixtureWith(t, ClaimOnce{}) // the registry is set below
	f.svc.cfg.Hook = ClaimOnce{f.db}
	ctx := t.Context()
	claim := func() { t.Helper(); f.accepted(regTopic, reg(f.token(), "S", "1")) }
	refused := func() { t.Helper(); f.rejected(regTopic, reg(f.token(), "S", "1"), 403, "AccessDenied") }
	claim()
	claim() // it never connected: the unit tries again
	certs, err := f.db.CertificatesOf(ctx, "u-1")
	f.must(err)
	active := 0
	for _, c := range certs {
		if c.Status == store.CertActive {
			active++
		}
	}
	if active != 1 {
		t.Fatalf("%d active certificates", active)
	}
	f.must(f.db.SetPresences(ctx, []store.Presence{{Thing: "u-1", Online: true, At: 1}}))
	refused()
	f.must(f.db.Release(ctx, "1"))
	claim()
	f.must(f.db.SetPresences(ctx, []store.Presence{{Thing: "u-1", Online: true, At: 2}}))
	refused()
	csr := request(t)
	ask := func() string {
		t.Helper()
		return f.accepted(csrTopic, map[string]string{"certificateSigningRequest": csr})["certificateOwnershipToken"].(string)
	}
	f.must(f.db.Release(ctx, "1"))
	f.accepted(regTopic, reg(ask(), "S", "1"))
	f.must(f.db.SetPresences(ctx, []store.Presence{{Thing: "u-1", Online: true, At: 3}}))
	f.accepted(regTopic, reg(ask(), "S", "1")) // with the key it has: only the unit itself
	f.must(f.db.SetPresences(ctx, []store.Presence{{Thing: "u-1", Online: true, At: 4}}))
	refused()
}

func TestAllowList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "serials")
	write(t, path, "# factory\n\n1\n2 L=berlin # the museum\n")
	f := fixtureWith(t, Hooks{AllowList{path}})
	f.accepted(regTopic, reg(f.token(), "S", "1"))
	if got := f.accepted(regTopic, reg(f.token(), "S", "2")); got["deviceConfiguration"].(dict)["url"] != "b.example" {
		t.Fatal(got)
	}
	f.rejected(regTopic, reg(f.token(), "S", "3"), 403, "AccessDenied")
	write(t, path, "3\n")
	f.accepted(regTopic, reg(f.token(), "S", "3")) // a change counts at once
	f.rejected(regTopic, reg(f.token(), "S", "1"), 403, "AccessDenied")
	write(t, path, "3 nonsense\n")
	if err := (AllowList{path}).Check(); err == nil {
		t.Error("a bad line was taken")
	}
	if err := (AllowList{path + "x"}).Check(); err == nil {
		t.Error("no file was taken")
	}
	f.rejected(regTopic, reg(f.token(), "S", "3"), 403, "AccessDenied")
}

func TestNotMine(t *testing.T) {
	f := fixtureWith(t, nil)
	for _, topic := range []string{
		"$aws/certificates/create", "$aws/certificates/create/xml", "$aws/provisioning-templates/tpl/provision", "$aws/provisioning-templates/a/b/provision/json",
		"$aws/provisioning-templates//provision/json", regTopic + "/accepted", "a/json",
	} {
		if f.svc.Serve(t.Context(), broker.Request{Topic: topic, Reply: func(string, []byte) { t.Error("answered") }}) {
			t.Errorf("%s was taken", topic)
		}
	}
}

func FuzzCBOR(f *testing.F) {
	f.Add(appendCBOR(nil, dict{"a": "b", "c": dict{"d": "e"}, "n": int64(70000)}))
	f.Add([]byte{0xbf, 0x61, 'a', 0x7f, 0x61, 'b', 0x61, 'c', 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeCBOR(b)
		if err != nil {
			return
		}
		again, err := decodeCBOR(appendCBOR(nil, m))
		if err != nil || !maps.EqualFunc(m, again, func(a, b any) bool { return cmp.Equal(a, b) }) {
			t.Fatalf("%v became %v: %v", m, again, err)
		}
	})
}
