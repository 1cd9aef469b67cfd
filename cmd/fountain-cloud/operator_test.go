package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"fountain/cloud/awsiot/awsiottest"
	"fountain/sync/wire"
)

// operator runs a command as an operator would, and returns what it printed.
func operator(t *testing.T, wantCode int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if code := run(t.Context(), args, os.Getenv, &out, &out); code != wantCode {
		t.Fatalf("%s: exit %d, want %d: %s", strings.Join(args, " "), code, wantCode, out.String())
	}
	return out.String()
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Fatalf("%q does not say %q", text, p)
		}
	}
}

// TestOperator stops a drink from far away, takes it back, and takes the unit out of service.
func TestOperator(t *testing.T) {
	dir := t.TempDir()
	p, e := startCloud(t, dir)
	operator(t, 2, "recall", "add", "--all", "--dir", dir) // what, is asked even when there is no unit
	thing, cert := claim(t, e, "F0200")
	in := make(chan paho.Message, 10)
	cl, err := dial(e, thing, cert, in)
	if err != nil {
		t.Fatal(err)
	}
	delta := wire.Shadow(thing, wire.RecallShadow).Delta()
	if tok := cl.Subscribe(delta, 1, nil); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	recalled := func() wire.Recall {
		t.Helper()
		d, err := wire.DecodeShadowDelta(take(t, in, delta))
		if err != nil {
			t.Fatal(err)
		}
		r, err := wire.DecodeRecall(d.State)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	contains(t, operator(t, 0, "recall", "add", "--beverage", "kolvane.zero", "--all", "--dir", dir), thing, "kolvane.zero recalled")
	if b := recalled().Beverages["kolvane.zero"]; b == nil || !*b {
		t.Fatal("the unit was not told to stop it")
	}
	contains(t, operator(t, 0, "recall", "list", "--all", "--dir", dir), "beverage", "kolvane.zero", "waiting for the unit")
	contains(t, operator(t, 0, "recall", "add", "--ingredient", "citra", "--thing", thing, "--dir", dir), "citra recalled")
	recalled()
	contains(t, operator(t, 0, "recall", "remove", "--beverage", "kolvane.zero", "--thing", thing, "--dir", dir), "allowed again")
	if b := recalled().Beverages["kolvane.zero"]; b == nil || *b {
		t.Fatal("the unit was not told that it may again")
	}
	if out := operator(t, 0, "recall", "list", "--thing", thing, "--dir", dir); strings.Contains(out, "kolvane.zero") || !strings.Contains(out, "citra") {
		t.Fatal(out)
	}
	for _, bad := range [][]string{
		{"recall", "add", "--beverage", "x", "--dir", dir},
		{"recall", "add", "--all", "--dir", dir},
		{"recall", "add", "--beverage", "x", "--thing", "none", "--dir", dir},
		{"recall", "add", "--beverage", "x", "--ingredient", "y", "--all", "--dir", dir},
		{"recall", "add", "--beverage", "x", "--thing", thing, "--all", "--dir", dir},
		{"recall", "list", "--all"},
		{"things", "decommission", "none", "--dir", dir},
	} {
		operator(t, 2, bad...)
	}

	contains(t, operator(t, 0, "things", "list", "--dir", dir), thing, "F0200", "online")
	contains(t, operator(t, 0, "things", "decommission", thing, "--dir", dir), "1 certificates")
	for end := time.Now().Add(patience); cl.IsConnectionOpen(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a decommissioned unit is still connected")
		}
	}
	if _, err := dial(e, thing, cert, in); err == nil {
		t.Fatal("a decommissioned unit connected again")
	}
	again, _ := claim(t, e, "F0200")
	if again != thing {
		t.Fatalf("the serial was claimed as %s", again)
	}
	asked, err := reach(dir)
	if err != nil {
		t.Fatal(err)
	}
	var has struct{ Principals []string }
	if err := asked.call(t.Context(), http.MethodGet, "/things/"+thing+"/principals", nil, nil, &has); err != nil || len(has.Principals) != 1 {
		t.Fatal(has, err)
	}
	_, id, _ := strings.Cut(has.Principals[0], ":cert/")
	if err := asked.call(t.Context(), http.MethodPut, "/certificates/"+id+"?newStatus=REVOKED", nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	contains(t, operator(t, 0, "things", "decommission", thing, "--dir", dir), "1 certificates") // also with one that is revoked
	operator(t, 0, "things", "release", "F0200", "--dir", dir)
	operator(t, 2, "things", "release", "F9999", "--dir", dir)
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()                                             // it was killed
	operator(t, 0, "unit", "release", "F0200", "--dir", dir) // no cloud runs: in the books; unit is the older name
	operator(t, 1, "recall", "list", "--all", "--dir", dir)  // nobody to ask
	contains(t, operator(t, 0, "things", "list", "--dir", dir), "released")
}

// TestAllowListFlag: whoever is not on the list stays out, and a bad list keeps the cloud from starting.
func TestAllowListFlag(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "serials")
	if err := os.WriteFile(list, []byte("F0301 # the only one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, e := startCloud(t, dir, "--allow-list", list)
	claim(t, e, "F0301")
	cert, err := tls.LoadX509KeyPair(e.ClaimCert, e.ClaimKey)
	if err != nil {
		t.Fatal(err)
	}
	in := make(chan paho.Message, 10)
	cl, err := dial(e, "claim-x", cert, in)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Disconnect(0)
	reg := wire.TopicProvision(e.Template)
	create := "$aws/certificates/create-from-csr/json"
	if tok := cl.SubscribeMultiple(map[string]byte{create + "/accepted": 1, reg + "/rejected": 1}, nil); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	publish(t, cl, create, wire.CreateFromCSR{CSR: awsiottest.Request(t, awsiottest.Key(t))})
	got, err := wire.DecodeCertificate(take(t, in, create+"/accepted"))
	if err != nil {
		t.Fatal(err)
	}
	publish(t, cl, reg, wire.RegisterThing{Token: got.Token, Parameters: map[string]string{"SerialNumber": "F0302"}})
	if no, err := wire.DecodeProvisionError(take(t, in, reg+"/rejected")); err != nil || no.Code != wire.ProvisionAccessDenied {
		t.Fatalf("%+v %v", no, err)
	}
	out := operator(t, 2, "serve", "--dir", t.TempDir(), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--allow-list", filepath.Join(dir, "none"))
	contains(t, out, "cannot read the allow list")
}

// TestHTTPS: the devices' interface and the control plane are where endpoints.json says.
func TestHTTPS(t *testing.T) {
	_, e := startCloud(t, t.TempDir())
	thing, cert := claim(t, e, "F0400")
	ca, err := os.ReadFile(e.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}}
	defer tr.CloseIdleConnections()
	ask := func(client *http.Client, method, url, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	// The unit's policy grants by client id and thing, which nobody has over HTTPS: AWS would refuse as well.
	if code, text := ask(&http.Client{Transport: tr}, "POST", e.HTTPS+"/topics/x", "hi"); code != http.StatusForbidden {
		t.Fatalf("%d %s", code, text)
	}
	as443 := e
	as443.MQTT = strings.TrimPrefix(e.HTTPS, "https://")
	cl, err := dial(as443, thing, cert, nil)
	if err != nil {
		t.Fatalf("MQTT on the HTTPS port, as on 443: %v", err)
	}
	cl.Disconnect(0)
	code, text := ask(http.DefaultClient, "GET", e.Control+"/things/"+thing, "")
	var d struct{ ThingName, ThingTypeName string }
	if err := json.Unmarshal([]byte(text), &d); code != 200 || err != nil || d.ThingName != thing || d.ThingTypeName != "fountain-unit" {
		t.Fatalf("%d %s", code, text)
	}
	if code, text := ask(http.DefaultClient, "GET", e.Control+"/endpoint?endpointType=iot:Data-ATS", ""); code != 200 || !strings.Contains(text, strings.TrimPrefix(e.HTTPS, "https://")) {
		t.Fatalf("%d %s", code, text)
	}
}
