package deploy_test

import (
	"strings"
	"testing"

	"fountain/cloud/awsiot/policy"
	"fountain/cloud/awsiot/stack"
	"fountain/deploy"
	"fountain/sync/wire"
)

const (
	hookARN  = "arn:aws:lambda:us-east-1:123456789012:function:claim"
	ruleName = "fountain_consumption"
	me       = "fountain-F1"
)

func load(t *testing.T, region string) *stack.Stack {
	t.Helper()
	s, err := stack.Load(deploy.DeviceTemplate, deploy.DeviceTemplateName, stack.Location{
		Region: region, Parameters: map[string]string{"PreProvisioningHookArn": hookARN},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unitPolicies are the policies that the provisioning template attaches.
func unitPolicies(t *testing.T, s *stack.Stack) []*policy.Policy {
	t.Helper()
	name, err := s.TemplateName()
	if err != nil {
		t.Fatal(err)
	}
	var out []*policy.Policy
	for _, n := range s.Templates[name].Policies {
		out = append(out, s.Policies[n])
	}
	return out
}

// matches is a filter's match on a topic that begins with $, or on another filter taken as text.
func matches(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, l := range f {
		if l == "#" {
			return len(t) > i
		}
		if i >= len(t) || l != "+" && l != t[i] {
			return false
		}
	}
	return len(f) == len(t)
}

// reserved lists every topic AWS gives a thing for the shadows and jobs named, requests and answers, and Basic Ingest.
func reserved(thing string, shadows, jobs []string) []string {
	out := []string{wire.BasicIngest(ruleName, thing), wire.BasicIngest("other_rule", thing)}
	for _, name := range shadows {
		p := wire.Shadow(thing, name)
		for _, op := range []string{wire.ShadowGet, wire.ShadowUpdate, wire.ShadowDelete} {
			out = append(out, p.Request(op), p.Accepted(op), p.Rejected(op))
		}
		out = append(out, p.Delta(), p.Documents())
	}
	j := wire.Jobs(thing)
	requests := []string{j.GetPending(), j.StartNext()}
	for _, id := range jobs {
		requests = append(requests, j.Describe(id), j.Update(id))
	}
	for _, r := range requests {
		out = append(out, r, wire.Accepted(r), wire.Rejected(r))
	}
	return append(out, j.Notify(), j.NotifyNext())
}

// TestUnitTopics compares the policy with the code, both ways: what the unit uses is granted, and of all the topics AWS
// knows for a thing nothing else is.
func TestUnitTopics(t *testing.T) {
	s := load(t, "")
	policies, who := unitPolicies(t, s), policy.Principal{ClientID: me, Thing: me, ThingType: "fountain-unit"}
	may := func(act policy.Action, name string) bool { return policy.Allowed(policies, s.ARN, who, act, name) }
	code := wire.UnitTopics(ruleName, me)

	if len(code.Subscribe) > 25 {
		t.Errorf("%d filters, a unit keeps to 25", len(code.Subscribe))
	}
	for _, f := range code.Subscribe {
		if !may(policy.Subscribe, f) {
			t.Errorf("the unit subscribes to %s, the policy does not allow it", f)
		}
	}
	used := func(list []string, topic string) bool {
		for _, p := range list {
			if matches(p, topic) {
				return true
			}
		}
		return false
	}
	own := append(wire.UnitShadows(), "", "campaign", "x")
	jobs := []string{"j1", wire.NextJob}
	own = own[:len(own):len(own)]
	granted := 0
	for _, topic := range reserved(me, own, jobs) {
		if want, got := used(code.Publish, topic), may(policy.Publish, topic); got != want {
			t.Errorf("publish %s: the policy says %v, the code %v", topic, got, want)
		} else if got {
			granted++
		}
		sh, isShadow := wire.ParseShadow(topic)
		foreign := isShadow && !used(wire.UnitShadows(), sh.Name)
		want := used(code.Subscribe, topic) && !foreign
		if got := may(policy.Receive, topic); got != want {
			t.Errorf("receive %s: the policy says %v, the code %v", topic, got, want)
		} else if got {
			granted++
		}
		for _, act := range []policy.Action{policy.RetainPublish, policy.Connect} {
			if may(act, topic) {
				t.Errorf("%s %s is allowed", act, topic)
			}
		}
	}
	for _, p := range code.Publish {
		if topic := strings.ReplaceAll(p, "+", "j1"); !may(policy.Publish, topic) {
			t.Errorf("the unit publishes to %s, the policy does not allow it", topic)
		}
	}
	t.Logf("%d topics may be used", granted)
}

// TestPolicySizes: AWS refuses documents beyond 2,048 characters without white space, and ARNs are longer elsewhere.
func TestPolicySizes(t *testing.T) {
	for _, region := range []string{"us-east-1", "ap-southeast-1", "us-gov-west-1", "cn-northwest-1"} {
		for name, p := range load(t, region).Policies {
			if n := policy.Size(p.Document); n > policy.MaxSize {
				t.Errorf("%s in %s: %d characters", name, region, n)
			} else {
				t.Logf("%s in %s: %d of %d characters", name, region, n, policy.MaxSize)
			}
		}
	}
}
