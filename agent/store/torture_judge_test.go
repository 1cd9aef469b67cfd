//go:build linux && (amd64 || arm64)

package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// place is where a record stands.
type place struct {
	Log string
	Seq uint64
}

func (at place) String() string { return fmt.Sprintf("%s/%d", at.Log, at.Seq) }

func placeOf(s string) (at place) {
	log, seq, _ := strings.Cut(s, "/")
	at.Log = log
	fmt.Sscan(seq, &at.Seq)
	return at
}

// faults counts what went wrong, by kind, and keeps the first of each to show.
type faults struct {
	count map[string]int
	first map[string]string
}

// Kinds of faults.
const (
	isLost     = "lost"          // a durable pour is gone
	isDoubled  = "doubled"       // a pour is there twice
	isMoved    = "out of order"  // or with a hole
	isTwice    = "two bodies"    // one number names two of them
	isDamaged  = "damage"        // the store says that a file is damaged
	isBackward = "gone backward" // a mark, setting or intent that was durable is not what it was
	isFailed   = "failed open"
	isHung     = "hung"
)

func (f *faults) add(kind, format string, args ...any) {
	if f.count == nil {
		f.count, f.first = map[string]int{}, map[string]string{}
	}
	if f.count[kind]++; f.first[kind] == "" {
		f.first[kind] = fmt.Sprintf(format, args...)
	}
}

func (f *faults) merge(o *faults) {
	for kind, n := range o.count {
		f.add(kind, "%s", o.first[kind])
		f.count[kind] += n - 1
	}
}

func (f *faults) String() string {
	if len(f.count) == 0 {
		return "0 lost, 0 doubled, 0 out of order, 0 failed opens"
	}
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(f.count)) {
		out = append(out, fmt.Sprintf("%d × %s (%s)", f.count[kind], kind, f.first[kind]))
	}
	return strings.Join(out, "; ")
}

// promises are what the lives of one directory have said.
type promises struct {
	faults
	log     string            // that was current last
	renewed bool              // the current log may be one nobody has heard of yet
	begun   map[string]string // intents by id, with their state: begun, open, dropping, dropped, poured
	at      map[place]string  // durable records: the id
	maybe   map[place]string  // records whose commit was cut
	last    map[string]uint64 // newest durable record, by log
	held    map[string]string // rejected records, with their state: reject, rejected, release, released
	sent    map[place]string  // what the receiver was sent
	has     map[string]uint64 // what the receiver has, by log
	mark    map[string]uint64 // durable acknowledgements, by log
	setting [2]string         // durable, and perhaps the next
	settled bool              // no setting is under way
}

func newPromises() *promises {
	return &promises{
		begun: map[string]string{}, at: map[place]string{}, maybe: map[place]string{},
		held: map[string]string{}, sent: map[place]string{}, last: map[string]uint64{}, has: map[string]uint64{}, mark: map[string]uint64{}, settled: true,
	}
}

// hear takes one line.
func (p *promises) hear(line string) {
	word, rest, _ := strings.Cut(line, " ")
	var at place
	var id string
	switch word {
	case "opened":
		var seq, acked uint64
		var damages int
		fmt.Sscan(rest, &at.Log, &seq, &acked, &damages)
		p.opened(at.Log, seq, acked, damages)
	case "begin", "intent", "drop", "dropped":
		p.begun[rest] = map[string]string{"begin": "begun", "intent": "open", "drop": "dropping", "dropped": "dropped"}[word]
	case "append":
		fmt.Sscan(rest, &at.Log, &at.Seq, &id)
		p.maybe[at] = id
	case "poured":
		fmt.Sscan(rest, &at.Log, &at.Seq, &id)
		if was, taken := p.at[at]; taken {
			p.add(isTwice, "%v is %s and %s", at, was, id)
		}
		if p.begun[id] == "poured" || p.begun[id] == "dropped" {
			p.add(isDoubled, "%s, which was %s already, became %v", id, p.begun[id], at)
		}
		if at.Seq != p.last[at.Log]+1 {
			p.add(isMoved, "%v follows %d", at, p.last[at.Log])
		}
		delete(p.maybe, at)
		p.at[at], p.begun[id], p.last[at.Log], p.log = id, "poured", at.Seq, at.Log
	case "sent":
		head, body, _ := strings.Cut(rest, " {")
		fmt.Sscan(head, &at.Log, &at.Seq)
		p.sent[at] = "{" + body
	case "ledger", "mark":
		var upto uint64
		fmt.Sscan(rest, &at.Log, &upto)
		if word == "mark" {
			p.mark[at.Log] = max(p.mark[at.Log], upto)
		} else {
			p.has[at.Log] = max(p.has[at.Log], upto)
		}
	case "reject", "rejected", "release", "released":
		p.held[rest] = word
		if at = placeOf(rest); word == "release" && p.mark[at.Log] >= at.Seq {
			p.mark[at.Log] = at.Seq - 1
		}
	case "rewind":
		at = placeOf(rest)
		p.mark[at.Log] = min(p.mark[at.Log], at.Seq)
	case "held":
		p.holds(&p.faults, strings.Split(rest, ","))
	case "setting":
		p.setting[1], p.settled = rest, false
	case "set":
		p.setting[0], p.settled = rest, true
	case "renew":
		p.renewed = true
	case "renewed":
		p.log, p.renewed = rest, false
	}
}

// opened judges what a store says about itself after a kill: the file system kept every write.
func (p *promises) opened(log string, last, acked uint64, damages int) {
	switch {
	case damages > 0:
		p.add(isDamaged, "%d files after a kill", damages)
	case p.log != "" && log != p.log && !p.renewed:
		p.add(isMoved, "log %s follows %s", log, p.log)
	}
	if log == p.log && last < p.last[log] {
		p.add(isLost, "%s ends at %d, %d was durable", log, last, p.last[log])
	}
	if log == p.log && acked < p.mark[log] {
		p.add(isBackward, "%s is acknowledged up to %d, was %d", log, acked, p.mark[log])
	}
	p.cutShort(func(at place) bool { return at.Log == log && at.Seq <= last })
	p.log, p.renewed = log, false
}

// holds judges what is in quarantine, and takes it as settled.
func (p *promises) holds(f *faults, list []string) {
	for at, state := range p.held {
		there := slices.Contains(list, at)
		switch {
		case state == "rejected" && !there:
			f.add(isLost, "%s is not in quarantine", at)
		case state == "released" && there:
			f.add(isBackward, "%s, released, is in quarantine", at)
		case there:
			p.held[at] = "rejected"
		default:
			p.held[at] = "released"
		}
	}
}

// cutShort settles appends whose life ended in the middle: those that the store has count from here on.
func (p *promises) cutShort(there func(place) bool) {
	for at, id := range p.maybe {
		if there(at) {
			p.at[at], p.begun[id], p.last[at.Log] = id, "poured", max(p.last[at.Log], at.Seq)
		}
	}
	clear(p.maybe)
}

// cloud is the receiver: it accepts, some time later it stores, once by (log, seq), and its ledger says what it stored.
type cloud struct {
	faults
	wrong wrong
	queue []stored
	rows  map[place][]stored
	upto  map[string]uint64 // stored without a hole
	heard map[string]uint64 // accepted, newest
}

type stored struct {
	at   place
	body string
}

func newCloud(w wrong) *cloud {
	return &cloud{wrong: w, rows: map[place][]stored{}, upto: map[string]uint64{}, heard: map[string]uint64{}}
}

func (c *cloud) accept(line string) {
	var x stored
	head, body, ok := strings.Cut(line, " {")
	if !ok {
		return // cut by the kill
	}
	fmt.Sscan(head, &x.at.Log, &x.at.Seq)
	x.body = "{" + body
	c.queue = append(c.queue, x)
	c.heard[x.at.Log] = max(c.heard[x.at.Log], x.at.Seq)
}

// lose is a crash of the cloud: what it accepted and did not store is gone.
func (c *cloud) lose() { c.queue = nil }

func (c *cloud) store() {
	for _, x := range c.queue {
		old := c.rows[x.at]
		switch {
		case len(old) == 0:
			if x.at.Seq != c.upto[x.at.Log]+1 {
				c.add(isMoved, "%v arrives after %d", x.at, c.upto[x.at.Log])
			}
			c.upto[x.at.Log] = max(c.upto[x.at.Log], x.at.Seq)
		case old[0].body != x.body:
			c.add(isTwice, "%v is %s and %s", x.at, old[0].body, x.body)
			continue
		case c.wrong != noDedup:
			continue
		}
		c.rows[x.at] = append(old, x)
	}
	c.queue = nil
}

// ledger answers how far a log is stored.
func (c *cloud) ledger(log string, rnd *rand.Rand) uint64 {
	if rnd.IntN(3) > 0 {
		c.store()
	}
	if c.wrong == ackAccepted {
		return c.heard[log]
	}
	return c.upto[log]
}

// settle compares what was promised with what the cloud has at the end, when everything was delivered.
func (c *cloud) settle(p *promises) *faults {
	f := &faults{}
	f.merge(&p.faults)
	f.merge(&c.faults)
	times := map[string]int{}
	for at, list := range c.rows {
		var r struct {
			Log string
			Seq uint64
			ID  string
		}
		if err := json.Unmarshal([]byte(list[0].body), &r); err != nil || (place{r.Log, r.Seq}) != at || list[0].body != string(bodyOf(r.Log, r.Seq, r.ID)) {
			f.add(isTwice, "%v holds %q: %v", at, list[0].body, err)
		}
		times[r.ID] += len(list)
		if state := p.begun[r.ID]; state != "poured" {
			f.add(isDoubled, "%v is of %s, which was %q", at, r.ID, state)
		}
	}
	for id, state := range p.begun {
		switch n := times[id]; {
		case n > 1:
			f.add(isDoubled, "%s is in the cloud %d times", id, n)
		case n == 0 && (state == "poured" || state == "open"):
			f.add(isLost, "%s (%s) is not in the cloud", id, state)
		}
	}
	for at, id := range p.at {
		if len(c.rows[at]) == 0 {
			f.add(isLost, "%v (%s) is not in the cloud", at, id)
		}
	}
	return f
}

// found is what a store holds that was opened on what a power cut left; the child that opened it tells it.
type found struct {
	Err      string
	Again    string // opening a second time differs
	Damages  []string
	Logs     []LogState
	Records  map[string]string // by place, as text
	Held     []string          // places in quarantine
	Intents  []string
	Setting  string
	Next     place // of a pour after the cut
	OpenedMS float64
}

// check compares what is left after a power cut with what was promised before it. damaged says that files were damaged
// before the power went: those may be told, and spared are places they held.
func (p *promises) check(x *found, damaged bool, spared map[place]bool) *faults {
	f := &faults{}
	if x.Err != "" {
		f.add(isFailed, "%s", x.Err)
		return f
	}
	if x.Again != "" {
		f.add(isBackward, "opened again: %s", x.Again)
	}
	if len(x.Damages) > 0 && !damaged {
		f.add(isDamaged, "%s", x.Damages[0])
	}
	logs := map[string]LogState{}
	for _, l := range x.Logs {
		logs[l.Log] = l
		for _, gap := range l.Gaps {
			if gap.To > p.has[l.Log] && !damaged { // what is gone behind a released record was delivered
				f.add(isMoved, "%s has the gap %v, %d was delivered", l.Log, gap, p.has[l.Log])
			}
		}
	}
	for at, id := range p.at {
		body, there := x.Records[at.String()]
		switch {
		case !there && at.Seq > p.has[at.Log] && !spared[at]:
			f.add(isLost, "%v (%s), durable, is not there", at, id)
		case there && !bytes.Equal([]byte(body), bodyOf(at.Log, at.Seq, id)):
			f.add(isTwice, "%v is %s, want %s", at, body, id)
		}
	}
	p.holds(f, x.Held)
	ids := map[string]place{}
	for at, id := range p.at {
		ids[id] = at
	}
	for key, body := range x.Records {
		var r struct {
			Log string
			Seq uint64
			ID  string
		}
		if err := json.Unmarshal([]byte(body), &r); err != nil || (place{r.Log, r.Seq}).String() != key {
			f.add(isTwice, "%s holds %q: %v", key, body, err)
		}
		at := place{r.Log, r.Seq}
		if was, known := ids[r.ID]; known && was != at {
			f.add(isDoubled, "%s is at %v and %v", r.ID, was, at)
		} else if !known && p.maybe[at] != r.ID {
			f.add(isTwice, "%v is of %s, which nobody poured there", at, r.ID)
		}
		ids[r.ID] = at
	}
	for log, upto := range p.mark {
		if l, there := logs[log]; there && l.Acked < upto && !damaged {
			f.add(isBackward, "%s is acknowledged up to %d, %d was durable", log, l.Acked, upto)
		}
	}
	for at, body := range p.sent {
		if is, there := x.Records[at.String()]; there && is != body {
			f.add(isTwice, "%v is %s and was sent as %s", at, is, body)
		}
	}
	if id, taken := p.at[x.Next]; taken || p.sent[x.Next] != "" {
		f.add(isTwice, "%v, which is %s (sent: %s), was given again", x.Next, id, p.sent[x.Next])
	}
	if damaged {
		return f // state.db may have begun anew
	}
	for id, state := range p.begun {
		_, recorded := ids[id]
		listed := slices.Contains(x.Intents, id)
		switch {
		case state == "open" && !recorded && !listed:
			f.add(isLost, "the intent %s is gone", id)
		case (recorded || state == "dropped") && listed:
			f.add(isDoubled, "%s, which was %s, is open again", id, state)
		}
	}
	if x.Setting != p.setting[0] && (p.settled || x.Setting != p.setting[1]) {
		f.add(isBackward, "the setting is %q, want %q", x.Setting, p.setting)
	}
	return f
}
