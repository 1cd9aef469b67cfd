// Package identity says which policies decide about a certificate: those attached to it and those of the groups of its
// things, in the versions that are the default now. It imports cloud/store, awsiot/policy and internal packages.
//
//	store.Registry ──► Source ──► broker, the device's HTTPS interface
//
// It owns a copy of what it read and drops it when the registry's revision moves, or after half a minute: another process
// on the same database may have changed something.
package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
	"fountain/internal/logkey"
)

// maxAge is how long a change by another process may go unnoticed.
const maxAge = 30 * time.Second

// Source answers who may what. Make it with New; it is safe for concurrent use.
type Source struct {
	reg store.Registry
	arn string
	log *slog.Logger

	mu       sync.Mutex
	revision int64
	read     time.Time                   // when the copy was begun
	policies map[string]*policy.Policy   // by name; nil: there is none
	granted  map[string][]*policy.Policy // by certificate
}

// New makes a Source. arn is "arn:aws:iot:REGION:ACCOUNT:".
func New(reg store.Registry, arn string, log *slog.Logger) *Source {
	return &Source{reg: reg, arn: arn, log: log}
}

// Policies lists what decides about a certificate. Asking again costs a lookup in memory until the registry changes.
func (s *Source) Policies(ctx context.Context, certificateID string) ([]*policy.Policy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renew()
	if p, ok := s.granted[certificateID]; ok {
		return p, nil
	}
	c, err := s.reg.Certificate(ctx, certificateID)
	if err != nil {
		return nil, fmt.Errorf("find policies: %w", err)
	}
	names, err := s.names(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("find policies: %w", err)
	}
	out := []*policy.Policy{}
	if c.Claim != "" {
		out = append(out, s.claimPolicy(c.Claim))
	}
	for _, name := range names {
		p, err := s.named(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("find policies: %w", err)
		}
		if p != nil {
			out = append(out, p)
		}
	}
	s.granted[certificateID] = out
	return out, nil
}

// renew drops the copy when it is old.
func (s *Source) renew() {
	if r := s.reg.Revision(); s.policies == nil || r != s.revision || time.Since(s.read) > maxAge {
		s.read = time.Now()
		s.revision, s.policies, s.granted = r, map[string]*policy.Policy{}, map[string][]*policy.Policy{}
	}
}

func (s *Source) names(ctx context.Context, c store.Certificate) ([]string, error) {
	names := c.Policies
	for _, thing := range c.Things {
		groups, err := s.reg.GroupsOf(ctx, thing)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			line, err := store.Ancestry(ctx, s.reg, g) // policies are inherited
			if errors.Is(err, store.ErrNotFound) {
				continue // deleted just now
			}
			if err != nil {
				return nil, err
			}
			for _, g := range line {
				more, err := s.reg.PoliciesOf(ctx, store.GroupTarget(g))
				if err != nil {
					return nil, err
				}
				names = append(names, more...)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// named reads the default version of a policy; nil when there is none: it grants nothing.
func (s *Source) named(ctx context.Context, name string) (*policy.Policy, error) {
	if p, ok := s.policies[name]; ok {
		return p, nil
	}
	p, err := s.load(ctx, name)
	if err != nil {
		return nil, err
	}
	s.policies[name] = p
	return p, nil
}

func (s *Source) load(ctx context.Context, name string) (*policy.Policy, error) {
	e, err := s.reg.Entry(ctx, store.KindPolicy, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := s.reg.Body(ctx, store.KindPolicy, name, e.Default)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	p, err := policy.ParseJSON(name, []byte(b.Text))
	if err != nil { // checked when it was stored; a newer build may have been stricter
		s.log.Error("a stored policy cannot be read and grants nothing", slog.String("policy", name), logkey.Err, err)
		return nil, nil
	}
	return p, nil
}

// claimPolicy is what a claim made by CreateProvisioningClaim may do: register things by one template.
func (s *Source) claimPolicy(template string) *policy.Policy {
	var topics, filters []string
	for _, t := range []string{"$aws/certificates/create/*", "$aws/certificates/create-from-csr/*", "$aws/provisioning-templates/" + template + "/provision/*"} {
		topics, filters = append(topics, s.arn+"topic/"+t), append(filters, s.arn+"topicfilter/"+t)
	}
	type statement struct{ Effect, Action, Resource any }
	doc, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []statement{
		{"Allow", "iot:Connect", "*"}, {"Allow", []string{"iot:Publish", "iot:Receive"}, topics}, {"Allow", "iot:Subscribe", filters},
	}})
	if err != nil {
		panic(err) // impossible: texts
	}
	p, err := policy.ParseJSON("provisioning-claim", doc)
	if err != nil {
		panic(err) // impossible: a template's name is letters, digits, _ and -
	}
	return p
}
