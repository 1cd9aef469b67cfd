package agent

import (
	"os"
	"path/filepath"
	"testing"
)

// The same state on another board continues in a log of its own: a copied card would make two pours of one identity.
func TestAnotherBoardBeginsAnotherLog(t *testing.T) {
	b := newBench(t)
	logOn := func(serial string) string {
		t.Helper()
		b.board = filepath.Join(t.TempDir(), "serial-number")
		if serial != "" {
			if err := os.WriteFile(b.board, []byte(serial+"\x00"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, a, stop := b.agent()
		defer stop()
		return a.store.Log()
	}
	unknown := logOn("")
	first := logOn("100000001")
	again := logOn("100000001")
	other := logOn("100000002")
	if first != unknown || again != first {
		t.Errorf("logs %s, %s, %s on one board", unknown, first, again)
	}
	if other == first {
		t.Error("another board goes on with the log of the first")
	}
}
