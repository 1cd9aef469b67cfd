package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"fountain/cloud/store/postgrestest"
	"fountain/sync/wire"
)

// TestPostgres pours through the real program on a PostgreSQL database: named in the environment for serve, by flag for
// those who read beside it. No file holds the data, and the password is in no output.
func TestPostgres(t *testing.T) {
	address := postgrestest.Database(t)
	dir := t.TempDir()
	t.Setenv(EnvDatabase, address)
	p, e := startCloud(t, dir)
	t.Setenv(EnvDatabase, "")
	thing, cert := claim(t, e, "F0300")
	in := make(chan paho.Message, 10)
	cl, err := dial(e, thing, cert, in)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Disconnect(0)
	delta := wire.Shadow(thing, "ledger").Delta()
	if tok := cl.Subscribe(delta, 1, nil); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	payload := wire.AppendBatch(nil, record(thing, 1), record(thing, 2), record(thing, 3))
	if tok := cl.Publish(wire.BasicIngest("fountain_consumption", thing), 1, false, payload); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	d, err := wire.DecodeShadowDelta(take(t, in, delta))
	if err != nil {
		t.Fatal(err)
	}
	if l, err := wire.DecodeLedger(d.State); err != nil || l.Ack["a1"].Upto != 3 {
		t.Fatalf("%s %v", d.State, err)
	}
	var out, says bytes.Buffer
	if code := run(t.Context(), []string{"consumption", "export", "--database", address, "--json"}, os.Getenv, &out, &says); code != 0 || strings.Count(out.String(), "\n") != 3 {
		t.Fatalf("export: exit %d, %s%s", code, &out, &says)
	}
	out.Reset()
	if code := run(t.Context(), []string{"things", "list", "--database", address}, os.Getenv, &out, &says); code != 0 || !strings.Contains(out.String(), thing) {
		t.Fatalf("things list: exit %d, %s%s", code, &out, &says)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, databaseFile)); !os.IsNotExist(err) {
		t.Errorf("there is a file, too: %v", err)
	}
	gone := strings.Replace(address, "/t", "/none", 1)
	if code := run(t.Context(), []string{"serve", "--dir", dir, "--database", gone, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"}, os.Getenv, &out, &says); code == 0 {
		t.Error("it serves without its database")
	}
	if code := run(t.Context(), []string{"things", "list", "--database", "mysql://u:" + postgrestest.Password + "@h/d"}, os.Getenv, &out, &says); code != 2 {
		t.Errorf("another database: exit %d", code)
	}
	for _, text := range []string{p.out.String(), out.String(), says.String()} {
		if strings.Contains(text, postgrestest.Password) {
			t.Errorf("a password is printed: %s", text)
		}
	}
}
