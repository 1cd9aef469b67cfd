package stack

import (
	"fmt"
	"strings"
	"testing"
)

// TestRings: rules that cannot run each other for ever are taken, those that may are refused, by whatever way.
func TestRings(t *testing.T) {
	const unit = "$aws/things/+/shadow/name/unit/update/accepted"
	for _, tc := range []struct {
		name  string
		rules [][2]string // FROM, republished to
		ring  string
	}{
		{"a shadow of another name", [][2]string{{unit, "$$aws/things/${topic(3)}/shadow/update"}}, ""},
		{"a shadow, by what the payload says", [][2]string{{"in/+", "$$aws/things/${thing}/shadow/name/unit/update"}}, ""},
		{"an answer of the shadow", [][2]string{{"$aws/things/+/shadow/update/accepted", "$$aws/things/${topic(3)}/shadow/update"}}, "r0 -> r0"},
		{"a delta", [][2]string{{"$aws/things/+/shadow/name/+/update/delta", "$$aws/things/${topic(3)}/shadow/name/${x}/update"}}, "r0 -> r0"},
		{"a get is no update", [][2]string{{"$aws/things/+/shadow/update/delta", "$$aws/things/${topic(3)}/shadow/get"}}, ""},
		{"one after the other", [][2]string{{"in/+", "out/${topic(2)}"}, {"out/+", "end"}}, ""},
		{"back by the other", [][2]string{{"in/+", "out/${topic(2)}"}, {"out/+", "in/${x}"}}, "r0 -> r1 -> r0"},
		{"a level is one", [][2]string{{"in/+", "in/${topic(2)}/x"}}, ""},
		{"a text may be several", [][2]string{{"in/+/+/x", "in/${x}/x"}}, "r0 -> r0"},
		{"everything covers no reserved topic", [][2]string{{"#", "$$aws/things/t/shadow/update"}}, ""},
		{"everything covers all others", [][2]string{{"#", "x"}}, "r0 -> r0"},
		{"basic ingest", [][2]string{{"in/+", "$$aws/rules/${x}/y"}}, "r0 -> r0"},
	} {
		text, _, _ := strings.Cut(ruleTemplate, "  Rule:\n")
		for i, r := range tc.rules {
			text += fmt.Sprintf(`
  R%d:
    Type: AWS::IoT::TopicRule
    Properties:
      RuleName: r%d
      TopicRulePayload:
        AwsIotSqlVersion: "2016-03-23"
        Sql: SELECT * FROM '%s'
        Actions: [{Republish: {RoleArn: !GetAtt Role.Arn, Topic: %q}}]
`, i, i, r[0], r[1])
		}
		_, err := Load([]byte(text), "t.yaml", Location{})
		if tc.ring == "" && err != nil || tc.ring != "" && (err == nil || !strings.Contains(err.Error(), "ring: "+tc.ring)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.ring)
		}
	}
}
