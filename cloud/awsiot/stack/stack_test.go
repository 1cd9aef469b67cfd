package stack

import (
	"errors"
	"strings"
	"testing"

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
		{"dangling GetAtt", "!GetAtt ProvisioningRole.Arn", "!GetAtt ProvisionRole.Arn", "neither a parameter nor a resource"},
		{"dangling Sub", `"${DevicePolicy}"`, `"${DevicePolicies}"`, "DevicePolicies"},
		{"policy that is not there", `"${DevicePolicy}"`, `"fountain-units"`, "fountain-units"},
		{"SQL typo", "SELECT encode(", "SELECT encod(", "encod"},
		{"SQL beyond the subset", "FROM 'c/+'", "FROM 'c/+' GROUP BY x", "GROUP"},
		{"old SQL version", `AwsIotSqlVersion: "2016-03-23"`, `AwsIotSqlVersion: "2015-10-08"`, "2016-03-23"},
		{"body is no JSON", `"Parameters": {`, `"Parameters": {,`, "TemplateBody"},
		{"unknown parameter in the body", `{"Ref": "SerialNumber"}]]`, `{"Ref": "Serial"}]]`, `"Serial"`},
		{"certificate stays inactive", `"Status": "Active"`, `"Status": "Inactive"`, "Active"},
		{"template disabled", "Enabled: true", "Enabled: false", "Enabled"},
		{"no hook", "        TargetArn: !Ref PreProvisioningHookArn\n", "", "PreProvisioningHook"},
		{"condition", `"iot:Connection.Thing.IsAttached": "true"`, `"iot:Connection.Thing.Attached": "true"`, "condition key"},
		{"unknown function", "!GetAtt ConsumptionRole.Arn", "!Cidr x", "Cidr"},
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
