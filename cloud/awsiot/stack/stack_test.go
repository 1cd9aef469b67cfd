package stack

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"fountain/internal/problem"
)

// template wraps resources; a queue's tags are where functions show what they make.
const head = `
Parameters:
  Stage: {Type: String, Default: test, AllowedValues: [test, live]}
  Count: {Type: Number, Default: 3, MinValue: 1, MaxValue: 9}
  Zones: {Type: CommaDelimitedList, Default: "a, b,c"}
Mappings:
  Sizes:
    test: {days: "1", name: small}
    live: {days: "14", name: big}
Conditions:
  Live: !Equals [!Ref Stage, live]
  NotLive: !Not [!Condition Live]
  Both: !And [!Condition Live, !Equals [!Ref Count, "3"]]
  Either: !Or [!Condition Live, !Equals [!Ref Count, "3"]]
`

func loadHead(t *testing.T, rest string, params map[string]string) (*resolver, error) {
	t.Helper()
	return loadTemplate([]byte(head+rest), "t.yaml", Location{
		Region: "eu-west-1", Account: "111122223333", Parameters: params, Exports: map[string]string{"other-stack": "imported"},
	})
}

func TestFunctions(t *testing.T) {
	for _, tc := range []struct{ expr, test, live string }{
		{`!Ref Stage`, "test", "live"},
		{`{Ref: Stage}`, "test", "live"},
		{`!Sub "${Stage}-${AWS::Region}-${!iot:ClientId}"`, "test-eu-west-1-${iot:ClientId}", "live-eu-west-1-${iot:ClientId}"},
		{`!Sub ["${a}/${Stage}", {a: !Ref Count}]`, "3/test", "3/live"},
		{`!Join ["-", [a, !Ref Stage]]`, "a-test", "a-live"},
		{`!Join ["+", !Ref Zones]`, "a+b+c", "a+b+c"},
		{`!Select [1, !Ref Zones]`, "b", "b"},
		{`!Select ["0", !Split [":", !GetAtt Other.Arn]]`, "arn", "arn"},
		{`Fn::Select: ["5", {"Fn::Split": [":", {"Fn::GetAtt": [Other, Arn]}]}]`, "other-q", "other-q"},
		{`!FindInMap [Sizes, !Ref Stage, name]`, "small", "big"},
		{`!If [Live, yes, no]`, "no", "yes"},
		{`!If [NotLive, yes, no]`, "yes", "no"},
		{`!If [Both, yes, no]`, "no", "yes"},
		{`!If [Either, yes, no]`, "yes", "yes"},
		{`!If [Live, !Ref "AWS::Partition", !GetAtt Other.QueueName]`, "other-q", "aws"},
		{`!Ref Other`, "https://sqs.eu-west-1.amazonaws.com/111122223333/other-q", "https://sqs.eu-west-1.amazonaws.com/111122223333/other-q"},
		{`!ImportValue other-stack`, "imported", "imported"},
		{`Fn::ImportValue: !Sub "other-${AWS::StackName}"`, "error", "error"},
		{`!Base64 abc`, "YWJj", "YWJj"},
	} {
		for stage, want := range map[string]string{"test": tc.test, "live": tc.live} {
			r, err := loadHead(t, `
Resources:
  Other: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "other-q"}}
  Q:
    Type: AWS::SQS::Queue
    Properties:
      Tags:
        - Key: k
          Value:
            `+tc.expr+"\n", map[string]string{"Stage": stage})
			if want == "error" {
				if err == nil {
					t.Errorf("%s: accepted", tc.expr)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", tc.expr, err)
				continue
			}
			if got := r.resources["Q"].props.get("Tags").list()[0].get("Value").str(); got != want {
				t.Errorf("%s in %s: %q, want %q", tc.expr, stage, got, want)
			}
		}
	}
}

// TestConditions: a resource whose condition is false is not there, and AWS::NoValue leaves a property out.
func TestConditions(t *testing.T) {
	text := `
Resources:
  Dead: {Type: AWS::SQS::Queue, Condition: Live}
  Q:
    Type: AWS::SQS::Queue
    DependsOn: [Dead]
    Properties:
      VisibilityTimeout: !If [Live, 30, !Ref "AWS::NoValue"]
      RedrivePolicy: !If [Live, {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}, !Ref "AWS::NoValue"]
Outputs:
  D: {Condition: Live, Value: !Ref Dead}
`
	for stage, keys := range map[string]int{"test": 0, "live": 2} {
		r, err := loadHead(t, text, map[string]string{"Stage": stage})
		if err != nil {
			t.Fatal(err)
		}
		if r.resources["Dead"].made != (stage == "live") || len(r.resources["Q"].props.keys) != keys {
			t.Errorf("%s: %v, %v", stage, r.resources["Dead"].made, r.resources["Q"].props.keys)
		}
	}
}

func TestRefusals(t *testing.T) {
	queue := func(props string) string {
		return "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {" + props + "}}\n"
	}
	for _, tc := range []struct {
		name, text, says string
		params           map[string]string
	}{
		{"value that is not allowed", queue(""), "none of test, live", map[string]string{"Stage": "prod"}},
		{"number out of range", queue(""), "above 9", map[string]string{"Count": "12"}},
		{"no number", queue(""), "no number", map[string]string{"Count": "x"}},
		{"section that is a list", "Outputs: []\n" + queue(""), "section Outputs must be a mapping", nil},
		{"key twice", queue("QueueName: a, QueueName: b"), "appears twice", nil},
		{"no resources", "Resources: {}\n", "no Resources", nil},
		{"unknown section", "Transform: x\n" + queue(""), "Transform", nil},
		{"null", queue("QueueName: "), "a value is missing", nil},
		{"list for a value", queue("QueueName: [a]"), "single value", nil},
		{"no boolean", queue("FifoQueue: yes"), "true or false", nil},
		{"nested property", queue("RedrivePolicy: {deadLetterTargetArn: x}"), "lacks the property maxReceiveCount", nil},
		{"name that is no name", queue("QueueName: a b"), "does not match", nil},
		{"missing map", queue("QueueName: !FindInMap [Sizes, test, nothing]"), "Sizes.test.nothing", nil},
		{"select beyond", queue(`QueueName: !Select [7, !Ref Zones]`), "index 7", nil},
		{"list in a Sub", queue(`QueueName: !Sub "${Zones}"`), "is a list", nil},
		{"Sub not closed", queue(`QueueName: !Sub "${Stage"`), "not closed", nil},
		{"itself", queue(`Tags: [{Key: a, Value: !GetAtt Q.Arn}]`), "Q -> Q", nil},
		{"DependsOn nothing", "Resources:\n  Q: {Type: AWS::SQS::Queue, DependsOn: P}\n", "no resource \"P\"", nil},
		{"dependence in a ring", "Resources:\n  P: {Type: AWS::SQS::Queue, DependsOn: Q}\n  Q: {Type: AWS::SQS::Queue, DependsOn: P}\n", "P -> Q -> P", nil},
		{"not made", "Resources:\n  P: {Type: AWS::SQS::Queue, Condition: Live}\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref P}}\n", "condition is false", nil},
		{"no such condition", "Resources:\n  P: {Type: AWS::SQS::Queue, Condition: Alive}\n", "no condition", nil},
		{"unknown attribute of a resource", "Resources:\n  P: {Type: AWS::SQS::Queue, Properteis: {}}\n", "Properteis", nil},
		{"no type", "Resources:\n  P: {Properties: {}}\n", "no Type", nil},
		{"output of nothing", queue("") + "Outputs:\n  O: {Value: !Ref P}\n", "neither a parameter", nil},
		{"alias", "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {Tags: &a [], RedriveAllowPolicy: *a}}\n", "aliases", nil},
	} {
		_, err := loadHead(t, tc.text, tc.params)
		var p *problem.Problem
		if !errors.As(err, &p) || !strings.HasPrefix(p.Where, "t.yaml") || !strings.Contains(p.What, tc.says) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.says)
		}
	}
	for text, says := range map[string]string{
		"Parameters: {A: {Type: String, Default: !Ref B}}\n":               "plain value",
		"Parameters: {A: {Type: Strin, Default: a}}\n":                     "Strin",
		"Parameters: {A: {Type: String}}\n":                                "no value",
		"Parameters: {A: {Type: String, Default: a, Defalt: b}}\n":         "Defalt",
		"Parameters: {A: {Type: String, Default: ab, MaxLength: 1}}\n":     "longer than 1",
		"Parameters: {A: {Type: String, Default: a, AllowedPattern: b}}\n": "does not match b",
		"AWSTemplateFormatVersion: '2010-09-10'\n":                         "2010-09-09",
	} {
		if _, err := loadTemplate([]byte(text+"Resources:\n  Q: {Type: AWS::SQS::Queue}\n"), "t.yaml", Location{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	if _, err := loadTemplate([]byte("Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\nResources:\n  Q: {Type: AWS::SQS::Queue}\n"), "t.yaml", Location{}); err == nil || !strings.Contains(err.Error(), "depends on itself") {
		t.Errorf("conditions in a ring: %v", err)
	}
}

func TestJobTemplateSettings(t *testing.T) {
	s, err := Load([]byte(`
Resources:
  J:
    Type: AWS::IoT::JobTemplate
    Properties:
      JobTemplateId: j
      Description: d
      Document: '{"a":1}'
      JobExecutionsRolloutConfig:
        ExponentialRolloutRate: {BaseRatePerMinute: 10, IncrementFactor: 1.5, RateIncreaseCriteria: {NumberOfSucceededThings: 4}}
      TimeoutConfig: {InProgressTimeoutInMinutes: 60}
      JobExecutionsRetryConfig: {RetryCriteriaList: [{FailureType: TIMED_OUT, NumberOfRetries: 2}]}
`), "t.yaml", Location{})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"document":"{\"a\":1}","description":"d","jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":10,` +
		`"incrementFactor":1.5,"rateIncreaseCriteria":{"numberOfSucceededThings":4}}},"timeoutConfig":{"inProgressTimeoutInMinutes":60},` +
		`"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"TIMED_OUT","numberOfRetries":2}]}}`
	if got, err := json.Marshal(s.JobTemplates["j"]); string(got) != want || err != nil {
		t.Fatalf("%s, %v", got, err)
	}
}

// ruleTemplate is a stack with one rule that publishes again.
const ruleTemplate = `
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {Service: iot.amazonaws.com}}]}
      Policies:
        - PolicyName: p
          PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: iot:Publish, Resource: !Sub "arn:aws:iot:${AWS::Region}:${AWS::AccountId}:topic/out/*"}]}
  Rule:
    Type: AWS::IoT::TopicRule
    Properties:
      RuleName: again
      TopicRulePayload:
        AwsIotSqlVersion: "2016-03-23"
        Sql: SELECT * FROM 'in/+'
        Actions: [{Republish: {RoleArn: !GetAtt Role.Arn, Topic: "out/${topic(2)}", Qos: 1}}]
`

func TestRepublishRule(t *testing.T) {
	s, err := Load([]byte(ruleTemplate), "t.yaml", Location{})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Rules["again"].Actions; len(a) != 1 || a[0].Topic.String() != "out/${topic(2)}" || a[0].QoS != 1 {
		t.Fatalf("%+v", a)
	}
	for _, tc := range []struct{ old, with, says string }{
		{`"out/${topic(2)}"`, `"in/${topic(2)}"`, "in a ring"},
		{`"out/${topic(2)}"`, `"${topic()}"`, "in a ring"},
		{`"out/${topic(2)}"`, `"$$aws/rules/again/x"`, "in a ring"},
		{`FROM 'in/+'`, `FROM '#'`, "in a ring"},
		{`"out/${topic(2)}"`, `"out/${topik(2)}"`, "character 7"},
		{`Action: iot:Publish`, `Action: sqs:SendMessage`, "does not allow iot:Publish"},
		{`Qos: 1`, `Qos: 2`, "between 0 and 1"},
		{`Republish: {`, `Repuplish: {`, "Repuplish"},
		{`Sql: SELECT`, `RuleDisabled: maybe, Sql: SELECT`, "not YAML"},
	} {
		if _, err := Load([]byte(strings.Replace(ruleTemplate, tc.old, tc.with, 1)), "t.yaml", Location{}); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %q", tc.with, err, tc.says)
		}
	}
}

// FuzzLoad: whatever stands in a template, loading ends with a stack or with a place and a remedy.
func FuzzLoad(f *testing.F) {
	f.Add(head + ruleTemplate)
	f.Add(head + "Resources:\n  Q: {Type: AWS::SQS::Queue, DependsOn: [Q], Condition: Live, Properties: !If [Live, {QueueName: !Sub ['${a}', {a: !Select [0, !Split [',', 'x']]}]}, !Ref 'AWS::NoValue']}\n")
	f.Add("Resources: {P: {Type: AWS::IoT::Policy, Properties: {PolicyDocument: {Version: '2012-10-17', Statement: {Effect: Deny, Action: '*', Resource: '*'}}}}}")
	f.Add("Resources: {J: {Type: AWS::IoT::JobTemplate, Properties: {JobTemplateId: j, Description: d, Document: '{}', TimeoutConfig: {InProgressTimeoutInMinutes: 1}}}}")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Load([]byte(text), "t.yaml", Location{})
		var p *problem.Problem
		if err != nil && (!errors.As(err, &p) || p.Remedy == "" || !strings.HasPrefix(p.Where, "t.yaml")) || err == nil && s == nil {
			t.Fatalf("%v", err)
		}
	})
}
