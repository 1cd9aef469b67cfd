package layers

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "fountain/"

// TestImports reads every Go file of the module itself, so that go test knows the files it depends on.
func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "tools") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		seen[from] = true
		var imports []string
		for _, imp := range f.Imports {
			imports = append(imports, strings.Trim(imp.Path.Value, `"`))
		}
		for _, why := range check(filepath.ToSlash(from), imports, strings.HasSuffix(name, "_test.go")) {
			t.Errorf("%s: %s", name, why)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen["sync"] {
		t.Error("sync holds Go files: its packages are below it")
	}
	if len(seen) < 40 {
		t.Errorf("found only %d packages", len(seen))
	}
	t.Logf("checked %d packages", len(seen))
}

// TestRulesBite plants forbidden edges and expects each to be refused.
func TestRulesBite(t *testing.T) {
	for _, tc := range []struct{ from, to string }{
		{"agent/pour", "fountain/hal/sim"},
		{"agent/pour", "fountain/agent/machine"},
		{"sync/uplink", "fountain/agent/store"},
		{"cloud/ingest", "fountain/agent/record"},
		{"agent", "fountain/hal/linux"},
		{"touchui/screens", "fountain/agent/machine"},
		{"agent/machine", "go.etcd.io/bbolt"},
		{"agent/machine", "fyne.io/fyne/v2/canvas"},
		{"touchui/kiosk", "fyne.io/fyne/v2/app"},
		{"agent/machine", "fountain/agent/apiserver"},
		{"agent/nowhere", "fountain/hal"},
		{"cmd/fountain-cloud", "fountain/cloud/awsiot/awsiottest"},
		{"agent", "fountain/sync/bareunit"},
	} {
		if len(check(tc.from, []string{tc.to}, false)) == 0 {
			t.Errorf("%s may import %s", tc.from, tc.to)
		}
	}
}

func check(from string, imports []string, test bool) (complaints []string) {
	fl, ok := level(from)
	if !ok {
		return []string{from + " has no level: add it to the table"}
	}
	for _, imp := range imports {
		to, ours := strings.CutPrefix(imp, module)
		if !ours {
			if why := library(from, imp, test); why != "" {
				complaints = append(complaints, why)
			}
			continue
		}
		if to == from || test && hasEdge(testOnly, from, to) {
			continue
		}
		tl, ok := level(to)
		switch {
		case !ok:
			complaints = append(complaints, to+" has no level: add it to the table")
		case !test && slices.Contains(forTests, to) && !slices.Contains(forTests, from):
			complaints = append(complaints, from+" must not import "+to+": it is for tests")
		case hasEdge(never, from, to) && !hasEdge(except, from, to):
			complaints = append(complaints, from+" must not import "+to+": "+reason(never, from, to))
		case tl > fl || tl == fl && !hasEdge(sameLevel, from, to):
			complaints = append(complaints, from+" may not import "+to+": not on a lower level")
		}
	}
	return complaints
}

func library(from, imp string, test bool) string {
	best := ""
	for lib := range owners {
		if strings.HasPrefix(imp, lib) && len(lib) > len(best) {
			best = lib
		}
	}
	if best == "" {
		return ""
	}
	allowed := owners[best]
	if test {
		allowed = append(slices.Clone(allowed), testLibraries[best]...)
	}
	for _, a := range allowed {
		if match(a, from) {
			return ""
		}
	}
	return from + " may not import " + imp + ": only " + strings.Join(owners[best], ", ") + " may"
}

func level(path string) (int, bool) {
	best, lvl := -1, 0
	for pat, l := range levels {
		if match(pat, path) && len(pat) > best {
			best, lvl = len(pat), l
		}
	}
	return lvl, best >= 0
}

func match(pattern, path string) bool {
	if pattern == "…" {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/…"); ok {
		return strings.HasPrefix(path, base+"/")
	}
	return pattern == path
}

func hasEdge(table []edge, from, to string) bool { return reason(table, from, to) != "" }

func reason(table []edge, from, to string) string {
	for _, e := range table {
		if match(e.from, from) && match(e.to, to) {
			return e.why
		}
	}
	return ""
}
