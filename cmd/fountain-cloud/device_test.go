package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"fountain/cloud/awsiot/awsiottest"
	"fountain/sync/wire"
)

// dial connects a plain client.
func dial(e Endpoints, id string, cert tls.Certificate, in chan paho.Message) (paho.Client, error) {
	ca, err := os.ReadFile(e.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	o := paho.NewClientOptions().AddBroker("tls://" + e.MQTT).SetClientID(id).SetProtocolVersion(4).SetCleanSession(true).
		SetAutoReconnect(false).SetConnectTimeout(patience).SetWriteTimeout(patience).
		SetTLSConfig(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}, NextProtos: []string{"x-amzn-mqtt-ca"}}).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { in <- m })
	cl := paho.NewClient(o)
	tok := cl.Connect()
	if !tok.WaitTimeout(patience) {
		return nil, errors.New("no CONNACK")
	}
	return cl, tok.Error()
}

func take(t *testing.T, in chan paho.Message, topic string) []byte {
	t.Helper()
	select {
	case m := <-in:
		if m.Topic() != topic {
			t.Fatalf("got %s %s", m.Topic(), m.Payload())
		}
		return m.Payload()
	case <-time.After(patience):
		t.Fatalf("nothing on %s", topic)
	}
	return nil
}

// claim provisions a unit the way an agent does.
func claim(t *testing.T, e Endpoints, serial string) (string, tls.Certificate) {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(e.ClaimCert, e.ClaimKey)
	if err != nil {
		t.Fatal(err)
	}
	in := make(chan paho.Message, 10)
	cl, err := dial(e, "claim-"+serial, cert, in)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Disconnect(0)
	reg := wire.TopicProvision(e.Template)
	if tok := cl.SubscribeMultiple(map[string]byte{wire.Accepted(wire.TopicCreateFromCSR): 1, wire.Accepted(reg): 1, wire.Rejected(reg): 1}, nil); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	key := awsiottest.Key(t)
	publish(t, cl, wire.TopicCreateFromCSR, wire.CreateFromCSR{CSR: awsiottest.Request(t, key)})
	got, err := wire.DecodeCertificate(take(t, in, wire.Accepted(wire.TopicCreateFromCSR)))
	if err != nil {
		t.Fatal(err)
	}
	publish(t, cl, reg, wire.RegisterThing{Token: got.Token, Parameters: map[string]string{"SerialNumber": serial}})
	thing, err := wire.DecodeRegisteredThing(take(t, in, wire.Accepted(reg)))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(got.PEM))
	return thing.Thing, tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

func publish(t *testing.T, cl paho.Client, topic string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if tok := cl.Publish(topic, 1, false, b); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
}

func record(thing string, seq uint64) []byte {
	b, err := json.Marshal(wire.Record{
		V: 1, ID: fmt.Sprint("id-", seq), Thing: thing, Log: "a1", Seq: seq, Beverage: "kolvane.classic", TargetUL: 250_000, CountedUL: 250_000,
		Outcome: wire.Completed, Source: wire.SourceTouch, Rig: "sim",
	})
	if err != nil {
		panic(err)
	}
	return b
}

func export(t *testing.T, dir string) []wire.Record {
	t.Helper()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"consumption", "export", "--dir", dir, "--json"}, os.Getenv, &out, t.Output()); code != 0 {
		t.Fatalf("export: exit %d", code)
	}
	var rs []wire.Record
	for s := bufio.NewScanner(&out); s.Scan(); {
		r, err := wire.DecodeRecord(s.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, *r)
	}
	return rs
}
