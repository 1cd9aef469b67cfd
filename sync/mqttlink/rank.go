package mqttlink

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"fountain/sync/wire"
)

// When a link changes its endpoint.
const (
	FailoverAfter = 3  // attempts in a row without a CONNACK: the next endpoint
	FailoverShort = 30 // connections in a row that ended within StableAfter: the same
	// ReturnAfter is how long a link stays with a worse endpoint before it looks for a better one. It looks by a TLS
	// handshake and keeps its connection meanwhile. A return that fails doubles the time, up to ReturnMost.
	ReturnAfter = 30 * time.Minute
	ReturnMost  = 8 * time.Hour
	TrialProof  = 20 * time.Second // a connection by a new list has to live this long, sessions and all
	TrialMisses = 2                // attempts for each endpoint of a new list
)

// ErrTrial is wrapped by the error of Try when no endpoint of the list proved itself.
var ErrTrial = errors.New("no connection by the new endpoints lasted")

// ParseAddrs reads a list of endpoints, host:port separated by commas, best first.
func ParseAddrs(list string) ([]string, error) {
	var out []string
	for a := range strings.SplitSeq(list, ",") {
		if a = strings.TrimSpace(a); a != "" {
			out = append(out, a)
		}
	}
	return out, checkAddrs(out)
}

func checkAddrs(addrs []string) error {
	if len(addrs) == 0 {
		return errors.New("mqttlink: no endpoint")
	}
	for _, a := range addrs {
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			return fmt.Errorf("read endpoint %q: %w", a, err)
		}
		if host == "" || port == "" {
			return fmt.Errorf("read endpoint %q: %w: host:port is wanted", a, wire.ErrLimit)
		}
	}
	return nil
}

// ranking says which endpoint is next. It is pure but for its memory and owned by Link.Run.
//
//	missed 3×, or 30 short connections ──► next, from the last to the first
//	better one answers ──► back to it, one attempt ──missed──► where it was; wait doubles
//	                                              └─stable──► wait as at first
type ranking struct {
	addrs  []string
	at     int
	misses int // attempts in a row without a CONNACK
	short  int // connections in a row that ended too soon
	back   int // where a return began; -1: no return is under way
	wait   time.Duration
}

func newRanking(addrs []string) *ranking {
	return &ranking{addrs: addrs, back: -1, wait: ReturnAfter}
}

func (r *ranking) addr() string     { return r.addrs[r.at] }
func (r *ranking) better() []string { return r.addrs[:r.at] }

// missed takes note of an attempt that got no CONNACK.
func (r *ranking) missed() {
	if r.back >= 0 {
		r.move(r.back)
		r.back, r.wait = -1, min(2*r.wait, ReturnMost)
		return
	}
	if r.misses++; r.misses >= FailoverAfter {
		r.move((r.at + 1) % len(r.addrs))
	}
}

// ended takes note of a connection that lasted for up.
func (r *ranking) ended(up time.Duration) {
	r.misses = 0
	if up >= StableAfter {
		r.short = 0
		if r.back >= 0 {
			r.back, r.wait = -1, ReturnAfter
		}
		return
	}
	if r.back >= 0 { // it took the connection and dropped it: no better than no answer
		r.missed()
		return
	}
	if r.short++; r.short >= FailoverShort {
		r.move((r.at + 1) % len(r.addrs))
	}
}

// returnTo begins a return to a better endpoint.
func (r *ranking) returnTo(addr string) {
	if i := slices.Index(r.better(), addr); i >= 0 {
		r.back = r.at
		r.move(i)
	}
}

func (r *ranking) move(to int) { r.at, r.misses, r.short = to, 0, 0 }
