package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/agent/store"
	"fountain/sync/wire"
)

// A technician looks into the buffer of a live unit, exports it and backs it up; restored elsewhere, the backup holds the
// same pours.
func TestStoreOfALiveUnit(t *testing.T) {
	u := newLive(t)
	code, out, _ := u.steady("pour", "porchlight.black-tea-unsweet", "--ml", "120", "--json")
	var rec wire.Record
	if code != 0 || json.Unmarshal([]byte(out), &rec) != nil {
		t.Fatalf("pour: %d %s", code, out)
	}
	var st api.StoreState
	code, out, _ = u.run(nil, "store", "status", "--json")
	if code != 0 || json.Unmarshal([]byte(out), &st) != nil {
		t.Fatalf("status: %d %s", code, out)
	}
	last := st.Logs[len(st.Logs)-1]
	if last.Log != rec.Log || last.Last != rec.Seq || !last.Current || st.Pending < rec.Seq || st.Disk.TotalBytes == 0 {
		t.Errorf("%+v", st)
	}
	if code, out, _ = u.run(nil, "store", "status"); code != 0 || !strings.Contains(out, rec.Log+" *") || !strings.Contains(out, "disk ") {
		t.Errorf("status: %d %s", code, out)
	}
	code, pours, _ := u.run(nil, "store", "export", "--log", rec.Log)
	lines := strings.Split(strings.TrimSpace(pours), "\n")
	var got wire.Record
	if code != 0 || uint64(len(lines)) != rec.Seq || json.Unmarshal([]byte(lines[len(lines)-1]), &got) != nil || got.ID != rec.ID {
		t.Errorf("export: %d %s", code, pours)
	}
	if code, _, errs := u.run(nil, "store", "export", "--log", "lnone"); code == 0 || !strings.Contains(errs, "no such log: log lnone: see fountainctl store status") {
		t.Errorf("export of nothing: %d %s", code, errs)
	}
	if code, out, _ = u.run(nil, "store", "quarantine"); code != 0 || out != "nothing is set aside\n" {
		t.Errorf("quarantine: %d %s", code, out)
	}
	if code, _, errs := u.run(nil, "store", "release", rec.Log, "1"); code == 0 || !strings.Contains(errs, "no such record was set aside: log "+rec.Log+" 1: see fountainctl store quarantine") {
		t.Errorf("release: %d %s", code, errs)
	}

	dir := t.TempDir()
	file := filepath.Join(dir, "unit.pours")
	if code, out, _ = u.run(nil, "store", "backup", "-o", file); code != 0 || !strings.HasPrefix(out, file+": 1 log") {
		t.Fatalf("backup: %d %s", code, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(filepath.Join(dir, "pours"), bytes.NewReader(b), false); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(dir, "pours"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := s.ReadLog(rec.Log, 1, 100, 1<<20)
	if err != nil || uint64(len(list)) != rec.Seq || string(list[len(list)-1].Body) != lines[len(lines)-1] {
		t.Errorf("restored %v, %v", list, err)
	}
	if s.Log() == rec.Log {
		t.Error("the restored log goes on")
	}
	if code, _, errs := u.run(nil, "store", "backup", "-o", filepath.Join(dir, "none", "x")); code != 1 || !strings.Contains(errs, "cannot write the file") {
		t.Errorf("backup to nowhere: %d %s", code, errs)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".unit*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}
