package broker

import (
	"strings"
	"sync"
)

// subscription is one filter of a session.
type subscription struct {
	qos       byte
	noLocal   bool // MQTT 5: not what the client itself publishes
	published bool // MQTT 5: keep the retain flag as published
}

// topics is the index of all subscriptions, a tree by the levels of filters.
type topics struct {
	mu   sync.Mutex
	root node
}

type node struct {
	children map[string]*node
	subs     map[*session]subscription
	shared   map[string]*group // by share name
}

func (n *node) empty() bool { return len(n.children)+len(n.subs)+len(n.shared) == 0 }

func (t *topics) add(filter string, s *session, sub subscription) {
	share, rest := splitShare(filter)
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &t.root
	for l := range strings.SplitSeq(rest, "/") {
		child := n.children[l]
		if child == nil {
			child = &node{}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[l] = child
		}
		n = child
	}
	if share == "" {
		if n.subs == nil {
			n.subs = map[*session]subscription{}
		}
		n.subs[s] = sub
		return
	}
	if n.shared == nil {
		n.shared = map[string]*group{}
	}
	g := n.shared[share]
	if g == nil {
		g = &group{filter: filter}
		n.shared[share] = g
	}
	g.remove(s)
	g.members, g.subs = append(g.members, s), append(g.subs, sub)
}

func (t *topics) remove(filter string, s *session) {
	share, rest := splitShare(filter)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.root.remove(strings.Split(rest, "/"), share, s)
}

func (n *node) remove(levels []string, share string, s *session) {
	if len(levels) > 0 {
		child := n.children[levels[0]]
		if child == nil {
			return
		}
		if child.remove(levels[1:], share, s); child.empty() {
			delete(n.children, levels[0])
		}
		return
	}
	if share == "" {
		delete(n.subs, s)
		return
	}
	if g := n.shared[share]; g != nil {
		if g.remove(s); len(g.members) == 0 {
			delete(n.shared, share)
		}
	}
}

// match returns who is subscribed to a topic: sessions with the highest QoS of their filters, and each shared subscription
// with its members in the order in which they are to be asked.
func (t *topics) match(topic string) (map[*session]subscription, []sharing) {
	var found map[*session]subscription
	var shared []sharing
	take := func(n *node) {
		for s, sub := range n.subs {
			if found == nil {
				found = map[*session]subscription{}
			}
			if old, ok := found[s]; ok {
				sub = subscription{max(old.qos, sub.qos), old.noLocal && sub.noLocal, old.published || sub.published}
			}
			found[s] = sub
		}
		for _, g := range n.shared {
			shared = append(shared, g.turn())
		}
	}
	levels := strings.Split(topic, "/")
	t.mu.Lock()
	defer t.mu.Unlock()
	t.root.walk(levels, !strings.HasPrefix(topic, "$"), take)
	return found, shared
}

// walk calls take for every node whose filter covers the levels. Unlike standard MQTT, and like AWS, "x/#" does not match
// "x". Wildcards do not reach reserved topics on the first level.
func (n *node) walk(levels []string, wild bool, take func(*node)) {
	if len(levels) == 0 {
		take(n)
		return
	}
	if child := n.children[levels[0]]; child != nil {
		child.walk(levels[1:], true, take)
	}
	if !wild {
		return
	}
	if child := n.children["+"]; child != nil {
		child.walk(levels[1:], true, take)
	}
	if child := n.children["#"]; child != nil {
		take(child)
	}
}

// MatchFilter tells whether a topic is below a filter. Unlike standard MQTT, and like AWS, "x/#" does not match "x".
func MatchFilter(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	if strings.HasPrefix(topic, "$") && f[0] != t[0] { // wildcards do not reach reserved topics
		return false
	}
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
