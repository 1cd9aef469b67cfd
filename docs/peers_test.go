package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPeers: every test that PEERS.md names exists, and its name or comment names the peer.
func TestPeers(t *testing.T) {
	page, err := os.ReadFile("PEERS.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		if len(cells) != 4 || strings.HasPrefix(cells[0], "-") || strings.TrimSpace(cells[0]) == "peer" {
			continue
		}
		rows++
		peer := strings.TrimSpace(cells[0])
		for _, name := range strings.Fields(cells[3]) {
			dot := strings.LastIndex(name, ".")
			said, err := commentOf(name[:dot], name[dot+1:])
			switch {
			case err != nil:
				t.Error(err)
			case !strings.Contains(strings.ToLower(name+" "+said), strings.ToLower(peer)):
				t.Errorf("%s: neither it nor its comment names %s: %q", name, peer, said)
			}
		}
	}
	if rows < 15 {
		t.Errorf("PEERS.md has %d rows", rows)
	}
}

// commentOf finds a test function of a package.
func commentOf(dir, test string) (string, error) {
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		return "", err
	}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return "", err
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == test {
				return strings.Join(strings.Fields(fn.Doc.Text()), " "), nil
			}
		}
	}
	return "", fmt.Errorf("%s has no test %s", dir, test)
}
