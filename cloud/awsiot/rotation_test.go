package awsiot_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"fountain/cloud/awsiot/awsiottest"
	"fountain/sync/wire"
)

// renewing is a unit's connection that hears the answers of a rotation.
func (c *cloud) renewing(thing string, cert tls.Certificate) *client {
	c.t.Helper()
	cl := c.dial(thing, cert)
	cl.sub(wire.RotationFilters()...)
	return cl
}

// eventually waits for what a rule does beside the connection.
func (c *cloud) eventually(what string, ok func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatal(what)
		}
	}
}

// TestRotation: a unit registers a new certificate with the one it has, which counts until the new one has connected.
func TestRotation(t *testing.T) {
	c := newCloud(t)
	thing, old := c.provision("R1")
	unit := c.renewing(thing, old)
	fresh, token := unit.certificate(awsiottest.Key(t))
	rotate := wire.TopicProvision(wire.RotationTemplate)
	// What the unit says about Replaces is overridden.
	unit.pub(rotate, wire.RegisterThing{Token: token, Parameters: map[string]string{wire.ParamSerial: "R1", wire.ParamReplaces: "nothing"}})
	got, err := wire.DecodeRegisteredThing(unit.expect(wire.Accepted(rotate)))
	if err != nil || got.Thing != thing {
		t.Fatal(got, err)
	}
	unit.Disconnect(0)
	if cl, err := c.tryDial(thing, old); err != nil { // the new one has not proven itself
		t.Fatal(err)
	} else {
		cl.Disconnect(0)
	}
	c.dial(thing, fresh)
	c.eventually("the old certificate still connects", func() bool {
		has, err := c.db.CertificatesOf(context.Background(), thing)
		active := 0
		for _, x := range has {
			if x.Status == "ACTIVE" {
				active++
			}
		}
		return err == nil && len(has) == 2 && active == 1
	})
	if _, err := c.tryDial(thing, old); err == nil {
		t.Error("the old certificate connects")
	}
	th, err := c.db.Thing(t.Context(), thing)
	if err != nil || th.Attributes[wire.AttributeReplaces] != "" || th.Serial != "R1" || th.FirstConnected == 0 {
		t.Errorf("%+v %v", th, err)
	}
	if cl, err := c.tryDial(thing, fresh); err != nil {
		t.Error(err)
	} else {
		cl.Disconnect(0)
	}
}

// TestRotationIsForOneself: nobody gets another unit's or a new unit's certificate by the template for rotation.
func TestRotationIsForOneself(t *testing.T) {
	c := newCloud(t)
	thing, cert := c.provision("R2")
	other, otherCert := c.provision("R3")
	rotate := wire.TopicProvision(wire.RotationTemplate)
	unit := c.renewing(thing, cert)
	for _, serial := range []string{"R3", "R4"} {
		_, token := unit.certificate(awsiottest.Key(t))
		unit.pub(rotate, wire.RegisterThing{Token: token, Parameters: map[string]string{wire.ParamSerial: serial, wire.ParamReplaces: "x"}})
		no, err := wire.DecodeProvisionError(unit.expect(wire.Rejected(rotate)))
		if err != nil || no.Code != wire.ProvisionAccessDenied {
			t.Errorf("%s: %v %v", serial, no, err)
		}
	}
	claim := c.claimant("R5")
	_, token := claim.certificate(awsiottest.Key(t))
	claim.Publish(rotate, 1, false, `{"certificateOwnershipToken":"`+token+`","parameters":{"SerialNumber":"R2"}}`)
	claim.hangsUp()
	if !strings.Contains(c.denials(), "claim-R5") {
		t.Error(c.denials())
	}
	if cl, err := c.tryDial(other, otherCert); err != nil {
		t.Error(err)
	} else {
		cl.Disconnect(0)
	}
}

// TestUnitLeaves: a unit that reports that it is decommissioned has no certificate any more; its serial stays claimed until
// it is released.
func TestUnitLeaves(t *testing.T) {
	c := newCloud(t)
	thing, cert := c.provision("R6")
	unit := c.dial(thing, cert)
	sh := wire.Shadow(thing, wire.UnitShadow)
	unit.pub(sh.Request(wire.ShadowUpdate), []byte(`{"state":{"reported":{"decommissioned":false}}}`))
	unit.pub(sh.Request(wire.ShadowUpdate), []byte(`{"state":{"reported":{"decommissioned":true}}}`))
	unit.hangsUp()
	if _, err := c.tryDial(thing, cert); err == nil {
		t.Error("its certificate connects")
	}
	claim := c.claimant("R6b")
	_, token := claim.certificate(awsiottest.Key(t))
	if no := claim.refused(token, "R6"); no.Code != wire.ProvisionAccessDenied {
		t.Error(no)
	}
	if err := c.db.Release(t.Context(), "R6"); err != nil {
		t.Fatal(err)
	}
	if again, _ := c.provision("R6"); again != thing {
		t.Error(again)
	}
}
