package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
)

// statement makes a document of one statement that allows, or several given whole.
func document(statements ...string) []byte {
	return []byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

func allowIf(action, resource, condition string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `","Condition":` + condition + `}`
}

func denyIf(action, resource, condition string) string {
	return strings.Replace(allowIf(action, resource, condition), "Allow", "Deny", 1)
}

// TestConnectAttributes are the examples of AWS's guide (connect-policy), each against the four kinds of connection.
func TestConnectAttributes(t *testing.T) {
	all := `{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}`
	attributes := func(op, values string) string { return `{"` + op + `":{"iot:ConnectAttributes":[` + values + `]}}` }
	const p, l = `"PersistentConnect"`, `"LastWill"`
	for _, tc := range []struct {
		name       string
		statements []string
		// clean, persistent, will, both
		want [4]bool
	}{
		{"anything", []string{all}, [4]bool{true, true, true, true}},
		{"persistent allowed, nothing else", []string{allowIf("iot:Connect", "*", attributes("ForAllValues:StringEquals", p))}, [4]bool{true, true, false, false}},
		{"no persistent", []string{allowIf("iot:Connect", "*", attributes("ForAllValues:StringNotEquals", p))}, [4]bool{true, false, true, false}},
		{"no persistent by deny", []string{all, denyIf("iot:Connect", "*", attributes("ForAnyValue:StringEquals", p))}, [4]bool{true, false, true, false}},
		{"both allowed", []string{allowIf("iot:Connect", "*", attributes("ForAllValues:StringEquals", p+","+l))}, [4]bool{true, true, true, true}},
		{"will allowed", []string{allowIf("iot:Connect", "*", attributes("ForAllValues:StringEquals", l))}, [4]bool{true, false, true, false}},
		{"plain only", []string{allowIf("iot:Connect", "*", attributes("ForAllValues:StringEquals", ""))}, [4]bool{true, false, false, false}},
		{"must be persistent", []string{allowIf("iot:Connect", "*", attributes("ForAnyValue:StringEquals", p))}, [4]bool{false, true, false, true}},
		{"must be both", []string{
			allowIf("iot:Connect", "*", attributes("ForAllValues:StringEquals", p+","+l)),
			denyIf("iot:Connect", "*", attributes("ForAllValues:StringEquals", p)),
			denyIf("iot:Connect", "*", attributes("ForAllValues:StringEquals", l)),
			denyIf("iot:Connect", "*", attributes("ForAllValues:StringEquals", "")),
		}, [4]bool{false, false, false, true}},
		{"will on one topic", []string{allowIf("iot:Connect", "*", `{"ArnEquals":{"iot:LastWillTopic":"`+testARN+`topic/my/last*"}}`)}, [4]bool{false, false, true, true}},
		{"will on another topic", []string{allowIf("iot:Connect", "*", `{"ArnEquals":{"iot:LastWillTopic":"`+testARN+`topic/other"}}`)}, [4]bool{false, false, false, false}},
	} {
		pol, err := ParseJSON("p", document(tc.statements...))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		for i, want := range tc.want {
			who := Principal{ClientID: "c", Persistent: i&1 != 0, LastWill: i&2 != 0}
			if who.LastWill {
				who.LastWillARN = testARN + "topic/my/lastwill"
			}
			if got := Allowed([]*Policy{pol}, testARN, who, Connect, "c"); got != want {
				t.Errorf("%s: persistent %v, will %v: %v, want %v", tc.name, who.Persistent, who.LastWill, got, want)
			}
		}
	}
}

func TestConditions(t *testing.T) {
	who := Principal{
		ClientID: "u1", Thing: "u1", ThingType: "kiosk", Attributes: map[string]string{"site": "north"},
		SourceIP: "10.1.2.3", DomainName: "a.example.com", CertificateID: "c1",
		Certificate: map[string][]string{"Subject.CommonName": {"first", "second", "Administrator"}, "Subject.Organization": {"AnyCompany"}, "Subject.Title": {"a*b"}},
	}
	stranger := Principal{ClientID: "u1"}
	for _, tc := range []struct {
		condition string
		me, other bool // the unit above, one of which nothing is known
	}{
		{`{"Bool":{"iot:Connection.Thing.IsAttached":"true"}}`, true, false},
		{`{"Bool":{"iot:Connection.Thing.IsAttached":["true"]}}`, true, false},
		{`{"Bool":{"iot:Connection.Thing.IsAttached":true}}`, true, false},
		{`{"Bool":{"iot:Connection.Thing.IsAttached":"false"}}`, false, true},
		{`{"StringEquals":{"iot:Connection.Thing.ThingTypeName":"kiosk"}}`, true, false},
		{`{"StringEquals":{"iot:Connection.Thing.ThingTypeName":["x","kiosk"]}}`, true, false},
		{`{"StringNotEquals":{"iot:Connection.Thing.ThingTypeName":"kiosk"}}`, false, true},
		{`{"StringEqualsIgnoreCase":{"iot:Connection.Thing.ThingTypeName":"KIOSK"}}`, true, false},
		{`{"StringEqualsIfExists":{"iot:Connection.Thing.ThingTypeName":"kiosk"}}`, true, true},
		{`{"StringEquals":{"iot:Connection.Thing.Attributes[site]":"north"}}`, true, false},
		{`{"StringEquals":{"iot:Connection.Thing.Attributes[site]":"south"}}`, false, false},
		{`{"StringLike":{"iot:DomainName":"*.example.com"}}`, true, false},
		{`{"StringNotLike":{"iot:DomainName":"*.example.com"}}`, false, true},
		{`{"StringEquals":{"iot:DomainName":"*.example.com"}}`, false, false},
		{`{"IpAddress":{"aws:SourceIp":"10.1.0.0/16"}}`, true, false},
		{`{"IpAddress":{"aws:SourceIp":["192.168.0.0/16","10.1.2.3"]}}`, true, false},
		{`{"NotIpAddress":{"aws:SourceIp":"10.1.0.0/16"}}`, false, true},
		{`{"IpAddress":{"aws:SourceIp":"nonsense"}}`, false, false},
		{`{"Null":{"iot:DomainName":"true"}}`, false, true},
		{`{"Null":{"iot:DomainName":"false"}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.Subject.CommonName":"first"}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.Subject.CommonName.2":"Administrator"}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.Subject.CommonName.3":"Administrator"}}`, false, false},
		{`{"ForAnyValue:StringEquals":{"iot:Certificate.Subject.CommonName.List":"Administrator"}}`, true, false},
		{`{"ForAllValues:StringEquals":{"iot:Certificate.Subject.Organization.List":["Example Corp","AnyCompany"]}}`, true, true},
		{`{"ForAllValues:StringEquals":{"iot:Certificate.Subject.CommonName.List":["first"]}}`, false, true},
		{`{"StringEquals":{"iot:ClientId":"${iot:Connection.Thing.ThingName}"}}`, true, false},
		{`{"StringEquals":{"nobody:Knows":"x"}}`, false, false},
		// All operators and keys of a block must hold.
		{`{"Bool":{"iot:Connection.Thing.IsAttached":"true"},"StringEquals":{"iot:Connection.Thing.ThingTypeName":"kiosk"}}`, true, false},
		{`{"StringEquals":{"iot:Connection.Thing.ThingTypeName":"kiosk","iot:DomainName":"b.example.com"}}`, false, false},
	} {
		p, err := ParseJSON("p", document(allowIf("iot:Publish", "*", tc.condition)))
		if err != nil {
			t.Fatalf("%s: %v", tc.condition, err)
		}
		for i, x := range []Principal{who, stranger} {
			if got, want := Allowed([]*Policy{p}, testARN, x, Publish, "a"), []bool{tc.me, tc.other}[i]; got != want {
				t.Errorf("%s for %d: %v, want %v", tc.condition, i, got, want)
			}
		}
	}
}

// TestVariables: what a variable stands for in a resource, and when it stands for nothing.
func TestVariables(t *testing.T) {
	who := Principal{
		ClientID: "a*b", Thing: "a*b", ThingType: "kiosk", Attributes: map[string]string{"site": "north"}, CertificateID: "c1", SourceIP: "10.0.0.1",
		Certificate: map[string][]string{"Subject.CommonName": {"cn"}, "Subject.Title": {"a*b"}, "SerialNumber": {"17"}, "Issuer.Country": {strings.Repeat("x", 1025)}},
	}
	for _, tc := range []struct {
		resource, topic string
		want            bool
	}{
		{"${iot:ClientId}", "a*b", true},
		{"${iot:ClientId}", "axb", false}, // a wildcard in a client id is none
		{"x/${iot:Connection.Thing.ThingTypeName}/${iot:Connection.Thing.Attributes[site]}", "x/kiosk/north", true},
		{"x/${iot:Connection.Thing.Attributes[floor]}", "x/", false},
		{"${iot:CertificateId}", "c1", true},
		{"${aws:SourceIp}", "10.0.0.1", true},
		{"${iot:Certificate.Subject.CommonName}", "cn", true},
		{"${iot:Certificate.Subject.CommonName.0}", "cn", true},
		{"${iot:Certificate.Subject.CommonName.1}", "", false},
		{"${iot:Certificate.Subject.Title}", "a*b", false}, // AWS leaves it as it stands
		{"${iot:Certificate.Issuer.Country}", strings.Repeat("x", 1025), false},
		{"${iot:Certificate.SerialNumber}", "17", true},
		{"${iot:DomainName}", "", false},
		{"x${*}y", "x*y", true},
		{"x${*}y", "xay", false},
		{"x${?}y", "xay", false},
		{"x${$}y", "x$y", true},
		{"$aws/things/x", "$aws/things/x", true},
		{"${nobody}", "${nobody}", false},
		{"${open", "${open", false},
	} {
		p, err := ParseJSON("p", document(`{"Effect":"Allow","Action":"iot:Publish","Resource":"`+testARN+`topic/`+tc.resource+`"}`))
		if err != nil {
			t.Fatalf("%s: %v", tc.resource, err)
		}
		if got := Allowed([]*Policy{p}, testARN, who, Publish, tc.topic); got != tc.want {
			t.Errorf("%s on %q: %v", tc.resource, tc.topic, got)
		}
	}
	// In the old version ${…} is plain text, and * in it is a wildcard.
	for _, version := range []string{`"Version":"2008-10-17",`, ""} {
		p, err := ParseJSON("p", []byte(`{`+version+`"Statement":{"Effect":"Allow","Action":["iot:Publish"],"Resource":["`+testARN+`topic/${iot:ClientId}"]}}`))
		if err != nil {
			t.Fatal(err)
		}
		if Allowed([]*Policy{p}, testARN, who, Publish, "a*b") || !Allowed([]*Policy{p}, testARN, who, Publish, "${iot:ClientId}") {
			t.Errorf("%q: variables resolve in the old version", version)
		}
	}
}

type act struct {
	action Action
	name   string
}

// TestHTTPS: shadow and job actions are about things, a named shadow is THING/SHADOW.
func TestHTTPS(t *testing.T) {
	p, err := ParseJSON("p", document(
		`{"Effect":"Allow","Action":["iot:GetThingShadow","iot:UpdateThingShadow","iot:ListNamedShadowsForThing"],"Resource":["`+testARN+`thing/t1","`+testARN+`thing/t1/config"]}`,
		`{"Effect":"Allow","Action":"iot:*JobExecution*","Resource":"`+testARN+`thing/t1"}`,
		`{"Effect":"Deny","Action":"iot:UpdateThingShadow","Resource":"`+testARN+`thing/t1/config"}`,
		`{"Effect":"Allow","Action":"iot:ListRetainedMessages","Resource":"*"}`,
		`{"Effect":"Allow","Action":["iot:GetRetainedMessage"],"Resource":"`+testARN+`topic/foo"}`,
	))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		act  Action
		name string
		want bool
	}{
		{GetShadow, "t1", true},
		{GetShadow, "t1/config", true},
		{GetShadow, "t1/other", false},
		{GetShadow, "t2", false},
		{UpdateShadow, "t1", true},
		{UpdateShadow, "t1/config", false},
		{DeleteShadow, "t1", false},
		{ListNamedShadows, "t1", true},
		{GetPendingJobs, "t1", true},
		{StartNextJob, "t1", true},
		{DescribeJob, "t1", true},
		{UpdateJob, "t1", true},
		{UpdateJob, "t2", false},
		{ListRetained, "", true},
		{GetRetained, "foo", true},
		{GetRetained, "bar", false},
		{Publish, "foo", false},
	} {
		if got := Allowed([]*Policy{p}, testARN, Principal{}, tc.act, tc.name); got != tc.want {
			t.Errorf("%s %s: %v", tc.act, tc.name, got)
		}
	}
	moved, err := ParseJSON("p", document(
		`{"Effect":"Allow","Action":["iotjobsdata:DescribeJobExecution","iotjobsdata:Update*"],"Resource":["`+testARN+`topic/$aws/things/t1"]}`,
		`{"Effect":"Allow","Action":"iotjobsdata:*","Resource":["`+testARN+`thing/t2"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[act]bool{
		{DescribeJob, "t1"}: true, {UpdateJob, "t1"}: true, {StartNextJob, "t1"}: false, {StartNextJob, "t2"}: true, {DescribeJob, "t3"}: false, {GetShadow, "t2"}: false, {Publish, "$aws/things/t1"}: false,
	} {
		if got := Allowed([]*Policy{moved}, testARN, Principal{}, a.action, a.name); got != want {
			t.Errorf("%s %s: %v", a.action, a.name, got)
		}
	}
	narrow, err := ParseJSON("p", document(`{"Effect":"Allow","Action":"iot:ListRetainedMessages","Resource":"`+testARN+`topic/*"}`))
	if err != nil {
		t.Fatal(err)
	}
	if Allowed([]*Policy{narrow}, testARN, Principal{}, ListRetained, "") {
		t.Error("ListRetainedMessages is granted by * only")
	}
}

// TestDecide names who allowed and who denied.
func TestDecide(t *testing.T) {
	a, errA := ParseJSON("a", document(`{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}`))
	d, errD := ParseJSON("d", document(`{"Effect":"Deny","Action":"iot:*","Resource":"`+testARN+`topic/secret"}`))
	if err := errors.Join(errA, errD); err != nil {
		t.Fatal(err)
	}
	got := Decide([]*Policy{a, d}, testARN, Principal{}, Publish, "secret")
	if got.Allowed || got.Denied != "d" || !slices.Equal(got.By, []string{"a"}) {
		t.Errorf("%+v", got)
	}
	if got := Decide([]*Policy{a, d}, testARN, Principal{}, Publish, "open"); !got.Allowed || got.Denied != "" {
		t.Errorf("%+v", got)
	}
}

// TestParseJSON: what CreatePolicy takes and what it refuses as malformed.
func TestParseJSON(t *testing.T) {
	ok := `{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}`
	for _, text := range []string{
		`{"Version":"2012-10-17","Statement":[` + ok + `]}`, `{"Version":"2008-10-17","Statement":` + ok + `}`, `{"Statement":[` + ok + `]}`,
		`{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"s","Effect":"Allow","Action":["iot:*"],"Resource":["*"]}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["greengrass:Discover","iot:AssumeRoleWithCertificate"],"Resource":["arn:aws:iot:us-east-1:123456789012:rolealias/x"]}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:Pub*","Resource":"arn:aws:iot:*:*:topic/*"}]}`,
	} {
		p, err := ParseJSON("p", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if string(p.Document) != text {
			t.Errorf("the document was changed: %s", p.Document)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "{", "more after it": `{"Statement":[` + ok + `]} x`, "a list": "[]", "no statement": `{"Version":"2012-10-17"}`,
		"empty statement": `{"Version":"2012-10-17","Statement":[]}`, "text for a statement": `{"Statement":["x"]}`,
		"version": `{"Version":"2012-10-18","Statement":[` + ok + `]}`, "unknown key": `{"Statment":[` + ok + `]}`,
		"effect":          `{"Statement":[{"Effect":"allow","Action":"iot:Connect","Resource":"*"}]}`,
		"no effect":       `{"Statement":[{"Action":"iot:Connect","Resource":"*"}]}`,
		"no action":       `{"Statement":[{"Effect":"Allow","Resource":"*"}]}`,
		"no resource":     `{"Statement":[{"Effect":"Allow","Action":"iot:Connect"}]}`,
		"empty resource":  `{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":""}]}`,
		"resource no ARN": `{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"topic/a"}]}`,
		"list as text":    `{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"[\"arn:aws:iot:us-east-1:1:client/x\"]"}]}`,
		"action no name":  `{"Statement":[{"Effect":"Allow","Action":"Connect","Resource":"*"}]}`,
		"two colons":      `{"Statement":[{"Effect":"Allow","Action":"iot:a:b","Resource":"*"}]}`,
		"NotAction":       `{"Statement":[{"Effect":"Allow","NotAction":"iot:Connect","Resource":"*"}]}`,
		"both resources":  `{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*","NotResource":"*"}]}`,
		"Principal":       `{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Principal":"*"}]}`,
		"misspelt":        `{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Conditions":{}}]}`,
		"operator":        `{"Statement":[` + allowIf("iot:Connect", "*", `{"StringEqual":{"a":"b"}}`) + `]}`,
		"set":             `{"Statement":[` + allowIf("iot:Connect", "*", `{"ForSome:StringEquals":{"a":"b"}}`) + `]}`,
		"condition":       `{"Statement":[` + allowIf("iot:Connect", "*", `{"StringEquals":"x"}`) + `]}`,
		"value":           `{"Statement":[` + allowIf("iot:Connect", "*", `{"StringEquals":{"a":{}}}`) + `]}`,
		"too long":        `{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"` + testARN + strings.Repeat("x", 2000) + `"}]}`,
	} {
		_, err := ParseJSON("p", []byte(text))
		var e *Error
		if !errors.As(err, &e) || e.What == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What our own templates may not hold, though AWS takes it.
	var doc any
	if err := json.Unmarshal([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Receive","NotResource":"`+testARN+`topic/a"}]}`), &doc); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse("p", doc, testARN); err == nil || !strings.HasPrefix(err.Error(), "Statement[0].NotResource: ") {
		t.Errorf("NotResource in a template: %v", err)
	}
	// White space does not count: 2,048 characters are taken, one more is not.
	for n, fits := range map[int]bool{MaxSize: true, MaxSize + 1: false} {
		text := `{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"` + testARN + `client/"}]}`
		text = strings.Replace(text, "client/", "client/"+strings.Repeat("x", n-len(text)), 1)
		text = strings.ReplaceAll(text, ",", ",\n\t  ")
		if _, err := ParseJSON("p", []byte(text)); (err == nil) != fits {
			t.Errorf("%d characters: %v", n, err)
		}
	}
}

func TestCertificateAttributes(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	title := asn1.ObjectIdentifier{2, 5, 4, 12}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(4711), DNSNames: []string{"u1.example.com"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}, EmailAddresses: []string{"a@b"},
		Subject: pkix.Name{CommonName: "u1", Country: []string{"DE", "FR"}, ExtraNames: []pkix.AttributeTypeAndValue{{Type: title, Value: "Dr"}}},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	got := CertificateAttributes(c)
	for k, want := range map[string][]string{
		"Subject.CommonName": {"u1"}, "Issuer.CommonName": {"u1"}, "Subject.Country": {"DE", "FR"}, "Subject.Title": {"Dr"}, "SerialNumber": {"4711"},
		"Subject.AlternativeName.DNSName": {"u1.example.com"}, "Subject.AlternativeName.IPAddress": {"10.0.0.1"}, "Subject.AlternativeName.RFC822Name": {"a@b"},
	} {
		if !slices.Equal(got[k], want) {
			t.Errorf("%s: %q, want %q", k, got[k], want)
		}
	}
	for _, k := range got["AvailableKeys"] {
		if !knownKey(k) || !slices.Contains([]string{"Subject", "Issuer", "SerialNumber"}, strings.Split(k, ".")[1]) {
			t.Errorf("AvailableKeys names %s", k)
		}
	}
	if len(got["AvailableKeys"]) != len(got)-1 {
		t.Errorf("%q", got["AvailableKeys"])
	}
}

// FuzzParseJSON: nothing crashes, and what Parse takes ParseJSON takes too and decides alike.
func FuzzParseJSON(f *testing.F) {
	f.Add(string(document(`{"Effect":"Allow","Action":["iot:Publish"],"Resource":"`+testARN+`topic/a/${iot:ClientId}/*"}`)), "a/c/x")
	f.Add(string(document(denyIf("iot:Publish", testARN+"topic/?", `{"ForAnyValue:StringLike":{"iot:Certificate.Subject.CommonName.List":["a*","${iot:ClientId}"]}}`))), "x")
	who := Principal{ClientID: "c", Thing: "c", ThingType: "t", SourceIP: "::1", Certificate: map[string][]string{"Subject.CommonName": {"ab"}}}
	f.Fuzz(func(t *testing.T, text, topic string) {
		loose, err := ParseJSON("p", []byte(text))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error without a place: %v", err)
			}
		} else {
			Allowed([]*Policy{loose}, testARN, who, Publish, topic)
		}
		var doc any
		if json.Unmarshal([]byte(text), &doc) != nil {
			return
		}
		strict, serr := Parse("p", doc, testARN)
		if serr != nil {
			return
		}
		if err != nil {
			if strings.Contains(err.Error(), "characters") { // decoding again may shorten
				return
			}
			t.Fatalf("strict takes what AWS does not: %v", err)
		}
		if a, b := Allowed([]*Policy{loose}, testARN, who, Publish, topic), Allowed([]*Policy{strict}, testARN, who, Publish, topic); a != b {
			t.Fatalf("loose %v, strict %v", a, b)
		}
	})
}
