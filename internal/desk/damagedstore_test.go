package desk

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/cloud/store"
)

// TestDamagedStore breaks what a stopped unit keeps and starts it again: a damaged segment is kept aside and told, pours
// go on and what the cloud has stays there once; files of a newer version are refused and left as they are.
func TestDamagedStore(t *testing.T) {
	d, u := startDesk(t, nil)
	u.awaitReady(t)
	ctl := []string{"fountainctl", "--socket", u.Socket(api.ServiceSocket)}
	total := 0
	pour := func() {
		t.Helper()
		for attempt := 1; ; attempt++ {
			before := u.last(t).ID
			code, _, stderr := command(t, d.dir, "", append(ctl, "pour", "kolvane.zero", "--ml", "60", "--json")...)
			if code == 0 {
				break
			}
			t.Logf("exit code %d: %s", code, stderr)
			total += u.stalled(t, before, attempt)
		}
		total++
		await(t, patience, "the cloud has the pours", func() (bool, string) {
			n := len(d.records(t))
			return n == total, fmt.Sprint(n)
		})
	}
	pour()
	u.Agent.Stop()
	segment := only(t, filepath.Join(u.Dir, "pours", "seg-*.db"))
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(`"kolvane.zero"`))
	if at < 0 {
		t.Fatalf("%s holds no pour", segment)
	}
	for b := b[at:]; len(b) > 0; {
		i := bytes.Index(b, []byte(`"kolvane.zero"`))
		if i < 0 {
			break
		}
		b[i+1] ^= 1
		b = b[i+1:]
	}
	if err := os.WriteFile(segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	restart(t, d, u)
	u.awaitReady(t)
	code, stdout, stderr := command(t, d.dir, "", append(ctl, "status")...)
	kept := filepath.Join(u.Dir, "pours", "bad", filepath.Base(segment))
	if code != 0 || !strings.Contains(stdout, "1 damaged file kept aside") || !strings.Contains(stdout, "alarms") || !strings.Contains(stdout, "keep "+kept) {
		t.Errorf("status, exit code %d, does not tell the damage:\n%s%s", code, stdout, stderr)
	}
	if left, err := os.ReadFile(kept); err != nil || !bytes.Equal(left, b) {
		t.Errorf("the damaged segment was not kept as it was: %v", err)
	}
	pour()
	ids := map[string]bool{}
	for _, r := range d.records(t) {
		ids[r.ID] = true
	}
	if len(ids) != total {
		t.Errorf("the cloud has %d different pours, want %d", len(ids), total)
	}

	u.Agent.Stop()
	for _, name := range []string{"seg-*.db", "state.db"} {
		all, err := filepath.Glob(filepath.Join(u.Dir, "pours", name))
		if err != nil || len(all) == 0 {
			t.Fatalf("no %s: %v", name, err)
		}
		path := all[len(all)-1]
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		newer(t, path)
		raised, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad{cmd: "fountaind --state " + u.Dir, code: 1, where: path, to: "install the newer version again; nothing was changed"}.in(t, shortDir(t), "")
		if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, raised) {
			t.Errorf("%s of a newer version was changed: %v", name, err)
		}
		if err := os.WriteFile(path, old, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	d.Cloud.Stop()
	db := filepath.Join(d.dir, "cloud", "cloud.db")
	if b, err = os.ReadFile(db); err != nil {
		t.Fatal(err)
	}
	schema := fmt.Sprint("schema", store.SchemaVersion()) // key and value of the table meta
	if !bytes.Contains(b, []byte(schema)) {
		t.Fatal("the cloud's database holds no schema")
	}
	if err := os.WriteFile(db, bytes.Replace(b, []byte(schema), []byte("schema9"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []string{"serve", "consumption export"} {
		bad{cmd: "fountain-cloud " + cmd + " --dir " + filepath.Dir(db), code: 1, where: db, to: "run the newer fountain-cloud"}.in(t, shortDir(t), "")
	}
	if err := os.WriteFile(db, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	bad{cmd: "fountain-cloud serve --dir " + filepath.Dir(db), code: 1, where: db, to: "move the file"}.in(t, shortDir(t), "")
}

func only(t *testing.T, pattern string) string {
	t.Helper()
	all, err := filepath.Glob(pattern)
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %v %v", pattern, all, err)
	}
	return all[0]
}

// restart starts the agent of a unit again after Stop.
func restart(t *testing.T, d *Desk, u *Unit) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := u.Agent.start(ctx, d.ends[0]); err != nil {
		t.Fatal(err)
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newer raises the schema in a store file's meta to 9 and corrects the checksum of the value it stands in
// (agent/store's frame: magic, CRC32C of the rest, seq, stored, lengths, id, body).
func newer(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(`{"schema":1`))
		if i < 0 {
			break
		}
		body := at + i
		at = body + 1
		head := bytes.LastIndex(b[:body], []byte("SFR1"))
		if head < 0 || body-head > 128 {
			continue
		}
		end := body + int(binary.LittleEndian.Uint32(b[head+28:]))
		b[body+len(`{"schema":`)] = '9'
		binary.LittleEndian.PutUint32(b[head+4:], crc32.Checksum(b[head+8:end], castagnoli))
		done++
	}
	if done == 0 {
		t.Fatalf("%s has no meta", path)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
