package stack

import (
	"errors"
	"strings"
	"testing"

	"fountain/cloud/awsiot/policy"
	"fountain/deploy"
	"fountain/internal/problem"
)

// TestPlantedErrors breaks the deployed template in one place each; loading must refuse it, with the line.
func TestPlantedErrors(t *testing.T) {
	text := string(deploy.DeviceTemplate)
	for _, tc := range []struct{ name, old, with, says string }{
		{"typo in an action", "Action: iot:Subscribe", "Action: iot:Subscibe", `"iot:Subscibe"`},
		{"HTTPS action on MQTT", "Action: iot:Subscribe", "Action: iot:GetThingShadow", "iot:GetThingShadow"},
		{"typo in an effect", "Effect: Allow", "Effect: Alow", "Allow or Deny"},
		{"typo in a variable", "${!iot:Connection.Thing.ThingName}", "${!iot:Connection.Thing.Name}", "Thing.Name"},
		{"unescaped variable", "${!iot:Connection.Thing.ThingName}", "${iot:Connection.Thing.ThingName}", "write ${!iot:"},
		{"topic for a filter", ":topicfilter/$aws/things", ":topic/$aws/things", "does not go with"},
		{"another account", ":iot:${AWS::Region}:${AWS::AccountId}:client", ":iot:${AWS::Region}:111111111111:client", "not of this account"},
		{"dangling Ref", "QueueUrl: !Ref ConsumptionQueue", "QueueUrl: !Ref ConsumptionQ", "neither a parameter nor a resource"},
		{"dangling GetAtt", "!GetAtt ProvisioningRole.Arn", "!GetAtt ProvisionRole.Arn", "no resource"},
		{"dangling Sub", `"${DevicePolicy}"`, `"${DevicePolicies}"`, "DevicePolicies"},
		{"policy that is not there", `"${DevicePolicy}"`, `"fountain-units"`, "fountain-units"},
		{"SQL typo", "SELECT encode(", "SELECT encod(", "encod"},
		{"SQL beyond the subset", "FROM 'c/+'", "FROM 'c/+' WHERE x", "WHERE"},
		{"old SQL version", `AwsIotSqlVersion: "2016-03-23"`, `AwsIotSqlVersion: "2015-10-08"`, "2016-03-23"},
		{"body is no JSON", `"Parameters": {`, `"Parameters": {,`, "TemplateBody"},
		{"unknown parameter in the body", `{"Ref": "SerialNumber"}]]`, `{"Ref": "Serial"}]]`, `"Serial"`},
		{"certificate stays inactive", `"Status": "Active"`, `"Status": "Inactive"`, "Active"},
		{"template disabled", "Enabled: true", "Enabled: false", "Enabled"},
		{"no hook", "        TargetArn: !Ref PreProvisioningHookArn\n", "", "PreProvisioningHook"},
		{"condition", "Action: iot:Connect\n", "Action: iot:Connect\n            Condition: {Bool: {x: true}}\n", "condition key"},
		{"unknown function", "!GetAtt ConsumptionRole.Arn", "!ImportValue x", "!ImportValue"},
		{"key twice", "      Enabled: true", "      Enabled: true\n      Enabled: true", "Enabled"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(text, tc.old) {
				t.Fatalf("the template has no %q", tc.old)
			}
			broken := strings.Replace(text, tc.old, tc.with, 1)
			_, err := Load([]byte(broken), "device.yaml", Location{Parameters: map[string]string{
				"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim",
			}})
			var p *problem.Problem
			if !errors.As(err, &p) || p.Code != problem.CodeBadConfig || p.Remedy == "" {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(p.Error(), tc.says) || !strings.Contains(p.Where, "device.yaml") {
				t.Fatalf("%q does not say %q", p, tc.says)
			}
		})
	}
}

// TestPolicySize: AWS refuses documents beyond 2,048 characters.
func TestPolicySize(t *testing.T) {
	text := strings.Replace(string(deploy.DeviceTemplate), "shadow/name/ledger/get\"", "shadow/name/"+strings.Repeat("x", 1500)+"/get\"", 1)
	_, err := Load([]byte(text), "device.yaml", Location{Parameters: map[string]string{"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim"}})
	if err == nil || !strings.Contains(err.Error(), "2048") {
		t.Fatal(err)
	}
}

// TestLeastPrivilege lists what the deployed policies grant, and things they must not.
func TestLeastPrivilege(t *testing.T) {
	s, err := Load(deploy.DeviceTemplate, "device.yaml", Location{Parameters: map[string]string{
		"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim",
	}})
	if err != nil {
		t.Fatal(err)
	}
	unit, claim := s.Policies["fountain-unit"], s.Policies["fountain-claim"]
	me, claimant := policy.Principal{ClientID: "fountain-1", Thing: "fountain-1"}, policy.Principal{ClientID: "claim-1"}
	for _, tc := range []struct {
		doc  *policy.Policy
		who  policy.Principal
		act  policy.Action
		name string
		want bool
	}{
		{unit, me, policy.Connect, "fountain-1", true},
		{unit, me, policy.Connect, "fountain-2", false},
		{unit, me, policy.Publish, "$aws/rules/fountain_consumption/c/fountain-1", true},
		{unit, me, policy.Publish, "$aws/rules/fountain_consumption/c/fountain-1/x", false},
		{unit, me, policy.Publish, "$aws/rules/fountain_consumption/c/fountain-2", false},
		{unit, me, policy.Publish, "$aws/things/fountain-1/shadow/name/ledger/update", true},
		{unit, me, policy.Publish, "$aws/things/fountain-1/shadow/name/ledger/delete", false},
		{unit, me, policy.Publish, "$aws/things/fountain-1/shadow/name/ledger/update/accepted", false},
		{unit, me, policy.Publish, "$aws/things/fountain-1/shadow/update", false},
		{unit, me, policy.Subscribe, "$aws/things/fountain-1/shadow/name/ledger/get/+", true},
		{unit, me, policy.Subscribe, "$aws/things/+/shadow/name/ledger/get/accepted", false},
		{unit, me, policy.Subscribe, "$aws/things/fountain-1/#", false},
		{unit, me, policy.Receive, "$aws/things/fountain-1/shadow/name/ledger/update/delta", true},
		{unit, me, policy.Receive, "$aws/things/fountain-2/shadow/name/ledger/update/delta", false},
		{unit, me, policy.RetainPublish, "$aws/rules/fountain_consumption/c/fountain-1", false},
		{unit, me, policy.Publish, "$aws/certificates/create-from-csr/json", false},
		{claim, claimant, policy.Connect, "claim-1", true},
		{claim, claimant, policy.Connect, "fountain-1", false},
		{claim, claimant, policy.Publish, "$aws/certificates/create-from-csr/json", true},
		{claim, claimant, policy.Publish, "$aws/certificates/create/json", false},
		{claim, claimant, policy.Publish, "$aws/provisioning-templates/fountain-unit/provision/json", true},
		{claim, claimant, policy.Publish, "$aws/provisioning-templates/other/provision/json", false},
		{claim, claimant, policy.Subscribe, "$aws/provisioning-templates/fountain-unit/provision/json/accepted", true},
		{claim, claimant, policy.Subscribe, "#", false},
		{claim, claimant, policy.Publish, "$aws/rules/fountain_consumption/c/fountain-1", false},
		{claim, claimant, policy.Receive, "$aws/things/fountain-1/shadow/name/ledger/update/delta", false},
	} {
		if got := policy.Allowed([]*policy.Policy{tc.doc}, s.ARN, tc.who, tc.act, tc.name); got != tc.want {
			t.Errorf("%s: %s %s: %v, want %v", tc.doc.Name, tc.act, tc.name, got, tc.want)
		}
	}
}
