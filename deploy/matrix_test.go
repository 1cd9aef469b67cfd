package deploy_test

import (
	"slices"
	"strings"
	"testing"

	"fountain/cloud/awsiot/policy"
)

// act is one thing a connection may ask for.
type act struct {
	action policy.Action
	name   string
}

const other = "fountain-F2"

// things are own and foreign names, and names that are wider than either.
var things = []string{me, other, "+", "*", "fountain-", "fountain-F1x", "fountain-F"}

// universe is everything that is asked of every principal: each action on own and foreign names of every kind there is.
func universe() []act {
	var topics []string
	for _, thing := range things {
		for _, rule := range []string{ruleName, "other_rule", "+"} {
			topics = append(topics, "$aws/rules/"+rule+"/c/"+thing, "$aws/rules/"+rule+"/"+thing, "$aws/rules/"+rule+"/c/"+thing+"/x")
		}
		for _, shadow := range []string{"shadow", "shadow/name/ledger", "shadow/name/config", "shadow/name/recall", "shadow/name/unit", "shadow/name/campaign", "shadow/name/x", "shadow/name/+", "shadow/name/led"} {
			base := "$aws/things/" + thing + "/" + shadow
			for _, op := range []string{"/get", "/update", "/delete"} {
				topics = append(topics, base+op, base+op+"/accepted", base+op+"/rejected", base+op+"/+", base+op+"/x/y")
			}
			topics = append(topics, base, base+"/#", base+"/update/delta", base+"/update/documents")
		}
		jobs := "$aws/things/" + thing + "/jobs"
		for _, j := range []string{
			"", "/#", "/get", "/get/accepted", "/notify", "/notify-next", "/start-next", "/start-next/accepted", "/start-next/rejected", "/start-next/+",
			"/j1/get", "/j1/get/accepted", "/j1/get/rejected", "/j1/update", "/j1/update/accepted", "/j1/update/rejected", "/$next/get", "/$next/get/accepted", "/+/get/+", "/+/update/+", "/j1/delete", "/j1",
		} {
			topics = append(topics, jobs+j)
		}
		topics = append(topics, "$aws/things/"+thing, "$aws/things/"+thing+"/#", "$aws/things/"+thing+"/streams/s/get/json", "$aws/things/"+thing+"/defender/metrics/json",
			"$aws/events/presence/connected/"+thing, "$aws/events/jobExecution/j1/succeeded", "campaigns/"+thing+"/index", "cmd/"+thing, thing, thing+"/#", "c/"+thing)
	}
	for _, p := range []string{
		"$aws/certificates/create/json", "$aws/certificates/create/cbor", "$aws/certificates/create-from-csr/json", "$aws/certificates/create-from-csr/cbor",
		"$aws/provisioning-templates/fountain-unit/provision/json", "$aws/provisioning-templates/fountain-unit/provision/cbor",
		"$aws/provisioning-templates/fountain-rotation/provision/json", "$aws/provisioning-templates/fountain-rotation/provision/cbor",
		"$aws/provisioning-templates/other/provision/json", "$aws/provisioning-templates/+/provision/json",
	} {
		topics = append(topics, p, p+"/accepted", p+"/rejected", p+"/+")
	}
	topics = append(topics, "#", "+", "+/+", "$aws/#", "$aws/things/#", "$aws/certificates/#", "$aws/provisioning-templates/#", "$aws/rules/#", "$aws/events/#", "$SYS/#", "$share/g/#", "a", "a/b", "")
	slices.Sort(topics)
	topics = slices.Compact(topics)

	var all []act
	for _, t := range topics {
		for _, a := range []policy.Action{policy.Publish, policy.RetainPublish, policy.Subscribe, policy.Receive, policy.GetRetained} {
			all = append(all, act{a, t})
		}
	}
	for _, id := range append(slices.Clone(things), "claim-1", "anybody", "fountain-F1/x", "") {
		all = append(all, act{policy.Connect, id})
	}
	for _, thing := range things {
		for _, a := range []policy.Action{policy.GetShadow, policy.UpdateShadow, policy.DeleteShadow, policy.ListNamedShadows, policy.GetPendingJobs, policy.StartNextJob, policy.DescribeJob, policy.UpdateJob} {
			all = append(all, act{a, thing}, act{a, thing + "/ledger"}, act{a, thing + "/*"})
		}
	}
	return append(all, act{policy.ListRetained, ""})
}

// may are the patterns a principal may have, with ~ for any run of characters: all else of the universe is forbidden.
type may map[policy.Action][]string

func (m may) allows(a act) bool {
	return slices.ContainsFunc(m[a.action], func(pattern string) bool { return fits(pattern, a.name) })
}

// fits matches ~ against any run of characters, by trying.
func fits(pattern, s string) bool {
	before, after, wild := strings.Cut(pattern, "~")
	if !wild {
		return pattern == s
	}
	if !strings.HasPrefix(s, before) {
		return false
	}
	for i := len(before); i <= len(s); i++ {
		if fits(after, s[i:]) {
			return true
		}
	}
	return false
}

// unitMay is what a unit may, written by hand: neither the template nor the code is asked.
var unitMay = may{
	policy.Connect: {me},
	policy.Publish: {
		"$aws/rules/fountain_consumption/c/" + me,
		"$aws/things/" + me + "/shadow/name/ledger/get", "$aws/things/" + me + "/shadow/name/ledger/update",
		"$aws/things/" + me + "/shadow/name/config/get", "$aws/things/" + me + "/shadow/name/config/update",
		"$aws/things/" + me + "/shadow/name/recall/get", "$aws/things/" + me + "/shadow/name/recall/update",
		"$aws/things/" + me + "/shadow/name/unit/get", "$aws/things/" + me + "/shadow/name/unit/update",
		"$aws/things/" + me + "/jobs/start-next", "$aws/things/" + me + "/jobs/~/get", "$aws/things/" + me + "/jobs/~/update",
		"$aws/certificates/create-from-csr/json", "$aws/provisioning-templates/fountain-rotation/provision/json",
	},
	policy.Subscribe: {
		"$aws/things/" + me + "/shadow/name/~", "$aws/things/" + me + "/jobs/~",
		"$aws/certificates/create-from-csr/json/~", "$aws/provisioning-templates/fountain-rotation/provision/json/~",
	},
	policy.Receive: {
		"$aws/things/" + me + "/shadow/name/ledger/get/~", "$aws/things/" + me + "/shadow/name/ledger/update/accepted", "$aws/things/" + me + "/shadow/name/ledger/update/rejected", "$aws/things/" + me + "/shadow/name/ledger/update/delta",
		"$aws/things/" + me + "/shadow/name/config/get/~", "$aws/things/" + me + "/shadow/name/config/update/accepted", "$aws/things/" + me + "/shadow/name/config/update/rejected", "$aws/things/" + me + "/shadow/name/config/update/delta",
		"$aws/things/" + me + "/shadow/name/recall/get/~", "$aws/things/" + me + "/shadow/name/recall/update/accepted", "$aws/things/" + me + "/shadow/name/recall/update/rejected", "$aws/things/" + me + "/shadow/name/recall/update/delta",
		"$aws/things/" + me + "/shadow/name/unit/get/~", "$aws/things/" + me + "/shadow/name/unit/update/accepted", "$aws/things/" + me + "/shadow/name/unit/update/rejected", "$aws/things/" + me + "/shadow/name/unit/update/delta",
		"$aws/things/" + me + "/jobs/notify-next", "$aws/things/" + me + "/jobs/start-next/~", "$aws/things/" + me + "/jobs/~/get/~", "$aws/things/" + me + "/jobs/~/update/~",
		"$aws/certificates/create-from-csr/json/~", "$aws/provisioning-templates/fountain-rotation/provision/json/~",
		// No topic of AWS's: wildcards stand for something else when they are received, and update/x/y does not exist.
		"$aws/things/" + me + "/shadow/name/~/update/+", "$aws/things/" + me + "/shadow/name/~/update/x/y",
	},
}

var claimMay = may{
	policy.Connect:   {"+", "*", "claim-1", "anybody", ""},
	policy.Publish:   {"$aws/certificates/create/~", "$aws/certificates/create-from-csr/~", "$aws/provisioning-templates/fountain-unit/provision/~"},
	policy.Receive:   {"$aws/certificates/create/~", "$aws/certificates/create-from-csr/~", "$aws/provisioning-templates/fountain-unit/provision/~"},
	policy.Subscribe: {"$aws/certificates/create/~", "$aws/certificates/create-from-csr/~", "$aws/provisioning-templates/fountain-unit/provision/~"},
}

// notNamed are own shadows that are none of the unit's business, and what the + and x of the universe make of them.
func notNamed(name string) bool {
	for _, n := range []string{"campaign", "x", "+", "led"} {
		if strings.HasPrefix(name, "$aws/things/"+me+"/shadow/name/"+n+"/") {
			return true
		}
	}
	return false
}

// TestLeastPrivilege asks the deployed policies everything about everybody: only what is listed above is allowed.
func TestLeastPrivilege(t *testing.T) {
	s := load(t, "")
	unit := unitPolicies(t, s)
	claim := []*policy.Policy{s.Policies[s.ClaimPolicy]}
	all := universe()
	for _, tc := range []struct {
		who      string
		policies []*policy.Policy
		as       policy.Principal
		may      may
	}{
		{"a unit", unit, policy.Principal{ClientID: me, Thing: me, ThingType: "fountain-unit"}, unitMay},
		{"a unit's certificate under another unit's client id", unit, policy.Principal{ClientID: other}, may{}},
		{"a unit's certificate under its own name, detached from the thing", unit, policy.Principal{ClientID: me}, may{}},
		{"a unit's certificate over HTTPS", unit, policy.Principal{}, may{}},
		{"a claim certificate", claim, policy.Principal{ClientID: "claim-1"}, claimMay},
		{"a claim certificate under a unit's client id", claim, policy.Principal{ClientID: me}, claimMay},
		{"a certificate without policies", nil, policy.Principal{ClientID: me, Thing: me}, may{}},
	} {
		t.Run(tc.who, func(t *testing.T) {
			allowed, total := map[policy.Action]int{}, 0
			for _, a := range all {
				want := tc.may.allows(a)
				if a.action == policy.Receive && notNamed(a.name) {
					want = false
				}
				if got := policy.Allowed(tc.policies, s.ARN, tc.as, a.action, a.name); got != want {
					t.Errorf("%s %s: %v, want %v", a.action, a.name, got, want)
				} else if got {
					allowed[a.action]++
					total++
				}
			}
			t.Logf("asked %d acts, %d allowed: %v", len(all), total, allowed)
		})
	}
}
