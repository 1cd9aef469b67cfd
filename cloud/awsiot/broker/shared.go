package broker

import (
	"slices"
	"strings"
	"time"
)

const (
	maxShareName = 128              // characters
	shareGap     = time.Second / 20 // between messages that waited for a member of a shared subscription
)

// group is a shared subscription: each message goes to one member. Messages of QoS 1 that come while no member is here wait
// for the first who comes, as long as one of those who are away has a session. The lock is that of topics.
type group struct {
	filter  string // "$share/NAME/…"
	members []*session
	subs    []subscription
	next    int
	waiting []*Message
}

// sharing is a group with its members in the order in which they are to be asked.
type sharing struct {
	group   *group
	members []candidate
}

type candidate struct {
	session *session
	sub     subscription
}

// splitShare takes "$share/NAME/" off a filter.
func splitShare(filter string) (share, rest string) {
	s, ok := strings.CutPrefix(filter, "$share/")
	if !ok {
		return "", filter
	}
	share, rest, _ = strings.Cut(s, "/")
	return share, rest
}

func (g *group) remove(s *session) {
	if i := slices.Index(g.members, s); i >= 0 {
		g.members, g.subs = slices.Delete(g.members, i, i+1), slices.Delete(g.subs, i, i+1)
	}
}

// turn lists the members, another one first each time. The lock is held.
func (g *group) turn() sharing {
	list := make([]candidate, 0, len(g.members))
	for i := range g.members {
		k := (g.next + i) % len(g.members)
		list = append(list, candidate{g.members[k], g.subs[k]})
	}
	if len(list) > 0 {
		g.next = (g.next + 1) % len(list)
	}
	return sharing{g, list}
}

// share gives a message to one member who is here, or lets it wait.
func (b *Broker) share(m *Message, in sharing) {
	waits := false
	for _, member := range in.members {
		if !b.receives(member.session, m.Topic) {
			continue
		}
		if member.session.away() {
			waits = waits || min(m.QoS, member.sub.qos) > 0
			continue
		}
		if member.session.deliver(&delivery{m: m, retain: m.Retain && member.sub.published, group: in.group}, member.sub.qos) {
			return
		}
	}
	if !waits {
		return
	}
	b.topics.mu.Lock()
	if len(in.group.waiting) < maxStored {
		in.group.waiting = append(in.group.waiting, m)
	}
	b.topics.mu.Unlock()
	for _, member := range in.members { // one may have come meanwhile
		if c := member.session.connection(); c != nil {
			c.takeShared(in.group.filter)
		}
	}
}

// shareAgain gives what a member left without PUBACK to another one.
func (b *Broker) shareAgain(left []*delivery) {
	for _, d := range left {
		b.topics.mu.Lock()
		in := d.group.turn()
		b.topics.mu.Unlock()
		b.share(d.m, in)
	}
}

// takeShared gives the client, a member that came, what waits for its group, one by one.
func (c *conn) takeShared(filter string) {
	share, rest := splitShare(filter)
	if share == "" || c.session.connection() != c || c.b.ctx.Err() != nil {
		return
	}
	g, sub, m := c.b.topics.longest(share, rest, c)
	if m == nil {
		return
	}
	if !c.session.deliver(&delivery{m: m, retain: m.Retain && sub.published, group: g}, sub.qos) {
		c.b.topics.mu.Lock()
		defer c.b.topics.mu.Unlock()
		g.waiting = append([]*Message{m}, g.waiting...)
		return
	}
	time.AfterFunc(shareGap, func() { c.takeShared(filter) })
}

// longest takes the message away that waits longest for a group of which c is a member, of those it may have; nil when
// there is none.
func (t *topics) longest(share, filter string, c *conn) (g *group, sub subscription, m *Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &t.root
	for l := range strings.SplitSeq(filter, "/") {
		if n = n.children[l]; n == nil {
			return nil, sub, nil
		}
	}
	if g = n.shared[share]; g == nil {
		return nil, sub, nil
	}
	i := slices.Index(g.members, c.session)
	if i < 0 {
		return nil, sub, nil
	}
	sub = g.subs[i]
	now := time.Now()
	g.waiting = slices.DeleteFunc(g.waiting, func(m *Message) bool { return m.expired(now) })
	if k := slices.IndexFunc(g.waiting, func(m *Message) bool { return c.mayHave(&delivery{m: m}) && c.fits(m, sub.qos) }); k >= 0 {
		m = g.waiting[k]
		g.waiting = slices.Delete(g.waiting, k, k+1)
	}
	return g, sub, m
}
