package store

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"
)

// childEnv names the directory in which this test binary, started again, only appends until it is killed.
const childEnv = "FOUNTAIN_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := appendForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := flag.Set("rapid.checks", "30"); err != nil { // the command line can ask for more
		panic(err)
	}
	os.Exit(m.Run())
}

// appendForEver is the life of a store: intent, record, acknowledgement, retirement. A line "log seq intent" says that
// the record is durable.
func appendForEver(dir string) error {
	s, err := Open(dir, Options{SegmentCount: 16})
	if err != nil {
		return err
	}
	if len(s.Damages()) > 0 {
		return fmt.Errorf("damages after a kill: %v", s.Damages())
	}
	open, err := s.OpenIntents()
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		id := fmt.Sprintf("%d-%d", os.Getpid(), n)
		if n < len(open) {
			id = open[n].ID // finish what the last one left, once
		} else if err := s.PutIntent(id, []byte(id)); err != nil {
			return err
		}
		seq, err := s.Append(context.Background(), id, func(l string, q uint64) ([]byte, error) {
			return fmt.Appendf(body(l, q), " %s", id), nil
		})
		if err != nil {
			return err
		}
		fmt.Printf("%s %d %s\n", s.Log(), seq, id) // one write: os.Stdout is not buffered
		if n%5 == 4 {
			if err := s.SetAcked(seq - 2); err != nil {
				return err
			}
		}
		if n%16 == 15 {
			if _, err := s.Retire(time.Now().Add(2 * DefaultRetain)); err != nil {
				return err
			}
		}
	}
}

// Every acknowledged append survives kill -9 at any moment, in one log without gaps, and each intent has one record.
// It proves the logic; that fdatasync is called is for the power-loss rigs to show (spec/store.md 2.1).
// Peers: Kegboard keeps its queue in memory.
func TestKill9(t *testing.T) {
	cycles := 40
	if testing.Short() {
		cycles = 8
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const seed = 20260101
	rnd := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	intents := map[string]uint64{} // intent -> seq
	var log string
	var last uint64 // newest acknowledged append
	for cycle := range cycles {
		cmd := exec.Command(exe, "-test.run=^$")
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(rnd.IntN(60_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var l, id string
			var seq uint64
			if n, _ := fmt.Sscanf(lines.Text(), "%s %d %s", &l, &seq, &id); n != 3 {
				break // cut in the middle of the line
			}
			if log == "" {
				log = l
			}
			if was, twice := intents[id]; l != log || seq <= last || twice {
				t.Fatalf("cycle %d: %s %d for %s (recorded at %d) after %s %d", cycle, l, seq, id, was, log, last)
			}
			intents[id], last = seq, seq
		}
		kill.Stop()
		_ = cmd.Process.Kill() // ends either way
		if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
			t.Fatalf("cycle %d: child ended by itself: %v: %s", cycle, err, stderr.String())
		}
		check := open(t, dir, small())
		switch {
		case len(check.Damages()) > 0:
			t.Fatalf("cycle %d: damages %v", cycle, check.Damages())
		case log != "" && check.Log() != log:
			t.Fatalf("cycle %d: new log", cycle)
		case check.Last() < last || check.Last() > last+1:
			t.Fatalf("cycle %d: last is %d, %d was acknowledged", cycle, check.Last(), last)
		}
		if log == "" && check.Last() > 0 {
			log = check.Log() // killed between the commit and its line
		}
		left, err := check.OpenIntents()
		if err != nil || len(left) > 1 {
			t.Fatalf("cycle %d: open intents %v, %v", cycle, left, err)
		}
		want := uint64(0)
		for from := check.Acked() + 1; ; {
			list, err := check.Read(from, 100, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for _, e := range list {
				if want == 0 {
					want = check.Acked() + 1
				}
				if seq, acked := intents[e.Intent]; e.Seq != want || acked && seq != e.Seq ||
					string(e.Body) != fmt.Sprintf("%s %s", body(log, e.Seq), e.Intent) {
					t.Fatalf("cycle %d: record %d: %s, want %d", cycle, e.Seq, e.Body, want)
				}
				intents[e.Intent] = e.Seq
				want, from = want+1, e.Seq+1
			}
		}
		last = check.Last() // a commit whose line was cut counts from here on
		closeNow(t, check)
	}
	t.Logf("seed %d: %d cycles, %d records", seed, cycles, last)
	if last < uint64(cycles) {
		t.Errorf("only %d records in %d cycles: the kills came too early to prove anything", last, cycles)
	}
}
