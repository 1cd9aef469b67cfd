package awsiot_test

import (
	"encoding/json"
	"strings"
	"testing"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/awsiot/stack"
	"fountain/deploy"
)

// moreRules are rules beside the deployed one: on what the cloud itself says, and one that publishes again.
const moreRules = `  PresenceRule:
    Type: AWS::IoT::TopicRule
    Properties:
      RuleName: presence
      TopicRulePayload:
        AwsIotSqlVersion: "2016-03-23"
        Sql: SELECT clientId, eventType, topic(5) AS thing FROM '$aws/events/presence/+/+' WHERE startswith(clientId, 'fountain-')
        Actions: [{Sqs: {QueueUrl: !Ref ConsumptionQueue, RoleArn: !GetAtt ConsumptionRole.Arn}}]
  AgainRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {Service: iot.amazonaws.com}}]}
      Policies:
        - PolicyName: p
          PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: iot:Publish, Resource: !Sub "arn:aws:iot:${AWS::Region}:${AWS::AccountId}:topic/out/*"}]}
  AgainRule:
    Type: AWS::IoT::TopicRule
    Properties:
      RuleName: again
      TopicRulePayload:
        AwsIotSqlVersion: "2016-03-23"
        Sql: SELECT x + 1 AS y FROM 'in/+' WHERE x > 1
        Actions: [{Republish: {RoleArn: !GetAtt AgainRole.Arn, Topic: "out/${topic(2)}", Qos: 1}}]

Outputs:`

func withRules(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := stack.Load([]byte(strings.Replace(string(deploy.DeviceTemplate), "Outputs:", moreRules, 1)), "rules", awsiottest.Location())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRuleOnLifecycle: rules see what the cloud itself publishes.
func TestRuleOnLifecycle(t *testing.T) {
	s := withRules(t)
	c := newCloud(t, func(cfg *awsiot.Config) { cfg.Stack = s })
	me, cert := c.provision("F0500")
	cl := c.dial(me, cert)
	for _, want := range []string{"connected", "disconnected"} {
		var got struct{ ClientID, EventType, Thing string }
		m := <-c.queue
		if err := json.Unmarshal(m.Body, &got); err != nil {
			t.Fatal(err)
		}
		if got.ClientID != me || got.Thing != me || got.EventType != want {
			t.Fatalf("%s, want %s", m.Body, want)
		}
		cl.Disconnect(10)
	}
}

// TestRepublish: what a rule publishes reaches subscribers, and only when WHERE is true.
func TestRepublish(t *testing.T) {
	c := newOpenCloud(t, withRules(t))
	cl := c.dial("anybody", c.claim())
	cl.sub("out/+")
	cl.pub("in/a", []byte(`{"x":1}`))
	cl.pub("in/b", []byte(`{"x":2}`))
	if m := cl.next(); m.Topic() != "out/b" || string(m.Payload()) != `{"y":3}` {
		t.Fatalf("%s %s", m.Topic(), m.Payload())
	}
}
