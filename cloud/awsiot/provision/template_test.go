package provision

import (
	"os"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFunctions(t *testing.T) {
	const frame = `{"Parameters":{"P":{"Type":"String"},"D":{"Type":"String","Default":"dd"},"N":{"Type":"String","Default":"1"}},
		"Mappings":{"M":{"a":{"x":"ax"},"b":{"x":"bx"}}},
		"Resources":{"c":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":"x"}}},"DeviceConfiguration":{"v":VALUE}}`
	for value, want := range map[string]string{
		`"plain"`:                             "plain",
		`{"Ref":"P"}`:                         "a",
		`{"Ref":"D"}`:                         "dd",
		`{"Ref":"AWS::IoT::Certificate::Id"}`: "cid",
		`{"Fn::Join":["-",["x",{"Ref":"P"},{"Ref":"D"}]]}`:                    "x-a-dd",
		`{"Fn::Join":["",{"Fn::Split":["d",{"Ref":"D"}]}]}`:                   "",
		`{"Fn::Select":["1",["u","v"]]}`:                                      "v",
		`{"Fn::Select":[1,["u","v"]]}`:                                        "v",
		`{"Fn::Select":[{"Ref":"N"},{"Fn::Split":[",","q,r"]}]}`:              "r",
		`{"Fn::FindInMap":["M",{"Ref":"P"},"x"]}`:                             "ax",
		`{"Fn::Sub":"<${P}> ${!keep}"}`:                                       "<a> ${keep}",
		`{"Fn::Sub":["${P}-${own}",{"own":{"Fn::FindInMap":["M","b","x"]}}]}`: "a-bx",
		`{"Fn::Join":["/",[{"Fn::Sub":"${D}"},{"Fn::Select":["0",["z"]]}]]}`:  "dd/z",
	} {
		tmpl, err := ParseTemplate(strings.Replace(frame, "VALUE", value, 1))
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		p, err := tmpl.plan(map[string]string{"P": "a", ParamCertificateID: "cid"})
		if err != nil || p.device["v"] != want {
			t.Errorf("%s is %q, %v, want %q", value, p.device["v"], err, want)
		}
	}
	for _, value := range []string{
		`{"Fn::Select":["2",["u","v"]]}`, `{"Fn::FindInMap":["M","c","x"]}`, `{"Fn::Split":["","x"]}`, `["a"]`, `{"Fn::Join":["-"]}`, `{"a":"b"}`, `null`,
		`{"Fn::Join":["-","x"]}`, `{"Fn::Sub":"${open"}`,
	} {
		tmpl, err := ParseTemplate(strings.Replace(frame, "VALUE", value, 1))
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if p, err := tmpl.plan(map[string]string{"P": "a"}); err == nil {
			t.Errorf("%s is %q", value, p.device["v"])
		}
	}
}

func TestBadTemplates(t *testing.T) {
	for name, tc := range map[string]struct{ old, new, says string }{
		"type of a parameter":  {`"S":{"Type":"String"}`, `"S":{"Type":"Number"}`, "Type must be String"},
		"unknown section":      {`"Mappings"`, `"Outputs"`, "unknown field"},
		"unknown type":         {`AWS::IoT::Policy"`, `AWS::IoT::Role"`, "there is no type"},
		"unknown property":     {`"PolicyName"`, `"Policy"`, "no property Policy"},
		"override of nothing":  {`"AttributePayload":"MERGE"`, `"ThingName":"MERGE"`, "OverrideSettings ThingName"},
		"override merges type": {`"ThingTypeName":"REPLACE"`, `"ThingTypeName":"MERGE"`, "cannot be MERGE"},
		"unknown parameter":    {`{"Ref":"S"}]]`, `{"Ref":"T"}]]`, `no parameter "T"`},
		"unknown function":     {"Fn::Join", "Fn::Base64", "no function Fn::Base64"},
		"too long":             {`"Mappings"`, strings.Repeat(" ", maxBody) + `"Mappings"`, "at most 10240"},
		"two things":           {`"policy":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"p"}}`, `"t":{"Type":"AWS::IoT::Thing","Properties":{}}`, "two things"},
		"no certificate":       {`"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"Active"}`, `"AWS::IoT::Policy","Properties":{}`, "one certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(body, tc.old) {
				t.Fatalf("the template has no %s", tc.old)
			}
			_, err := ParseTemplate(strings.Replace(body, tc.old, tc.new, 1))
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("%v does not say %q", err, tc.says)
			}
		})
	}
}
