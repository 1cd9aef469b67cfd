package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fountain/sync/jobs"
	"fountain/sync/wire"
)

// replay sends what is settled and still kept once more, whatever the ledger says: for a cloud that lost records it had
// acknowledged. A record has the key it had, so one that the cloud did keep has no second effect. It moves no mark: what
// is not settled is the uplink's, which a ledger of another restore generation rewinds by itself.
//
//	store.ReadLog ──► batch ≤ 5 KB ──► pace of the uplink, no pour ──► PUBACK ──Note(log, seq)──► … the settled mark
type replay struct{ a *Agent }

var _ jobs.Runner = replay{}

// Check implements jobs.Runner. A log that is not kept, or not any more, can never be sent again from here.
func (r replay) Check(document json.RawMessage) error {
	d, err := wire.DecodeJob[wire.ReplayJob](document)
	if err != nil {
		return err
	}
	if d.From > 0 && d.Log == "" {
		return fmt.Errorf("%w: from needs a log", wire.ErrJobDocument)
	}
	for _, l := range r.a.store.Logs() {
		if d.Log == "" || l.Log == d.Log {
			return nil
		}
	}
	return fmt.Errorf("log %q is not kept here", d.Log)
}

// Limit implements jobs.Runner: a million records at the slowest pace take a day.
func (replay) Limit() time.Duration { return 36 * time.Hour }

// Run implements jobs.Runner.
func (r replay) Run(ctx context.Context, t *jobs.Task) (map[string]string, error) {
	d, err := wire.DecodeJob[wire.ReplayJob](t.Document)
	if err != nil {
		return nil, err
	}
	at := parseMark(t.Step)
	passed := at.log == "" // everything before the mark was sent by an earlier process
	records, messages := 0, 0
	for _, l := range r.a.store.Logs() {
		if d.Log != "" && l.Log != d.Log {
			continue
		}
		from := max(l.Oldest, d.From, 1)
		if !passed {
			if l.Log != at.log {
				continue
			}
			passed, from = true, max(from, at.seq+1)
		}
		src := &logSource{store: r.a.store, log: l.Log} // without what the cloud refused; the uplink's own is not for two
		for from <= l.Acked {
			entries, err := src.Read(from, 64, wire.BatchBytes)
			if err != nil {
				return nil, err
			}
			var bodies [][]byte
			size, next := 2+len(r.topic()), from
			for _, e := range entries {
				if e.Seq > l.Acked || len(bodies) > 0 && size+len(e.Body)+1 > wire.BatchBytes {
					break
				}
				bodies, size, next = append(bodies, e.Body), size+len(e.Body)+1, e.Seq+1
			}
			if len(bodies) == 0 {
				break
			}
			if err := r.send(ctx, wire.AppendBatch(nil, bodies...)); err != nil {
				return details(records, messages), err
			}
			from = next
			records, messages = records+len(bodies), messages+1
			if messages%replayNote == 0 {
				if err := t.Note(l.Log + "/" + strconv.FormatUint(next-1, 10)); err != nil {
					return details(records, messages), err
				}
			}
		}
	}
	return details(records, messages), nil
}

const (
	replayNote  = 100 // so many messages are sent twice when the process ends
	replayTries = 5   // of one message: a cloud that hangs up on it must not take the unit off the line for ever
)

func details(records, messages int) map[string]string {
	return map[string]string{"records": strconv.Itoa(records), "messages": strconv.Itoa(messages)}
}

func (r replay) topic() string {
	return wire.BasicIngest(r.a.cfg.Config.Sync.Rule, *r.a.thing.Load())
}

// send publishes one message at the uplink's pace, on whatever connection there is, until it has its PUBACK.
func (r replay) send(ctx context.Context, payload []byte) error {
	for tries := 1; ; tries++ {
		if err := r.a.yield.Idle(ctx); err != nil {
			return err
		}
		conn, err := r.a.cloud.connection(ctx)
		if err != nil {
			return err
		}
		if err := r.a.cloud.take(ctx); err != nil {
			return err
		}
		err = <-conn.Bulk().Send(ctx, r.topic(), 1, payload)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, wire.ErrLimit), tries == replayTries:
			return err
		}
		if err := sleep(ctx, time.Second); err != nil { // the connection is lost: there will be another
			return err
		}
	}
}

// mark is how far an earlier process came.
type mark struct {
	log string
	seq uint64
}

func parseMark(step string) mark {
	log, seq, _ := strings.Cut(step, "/")
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return mark{}
	}
	return mark{log, n}
}
