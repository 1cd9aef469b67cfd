package words

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// placeholders of each form that is shown for more than one number; a form for exactly one may say it in words.
func placeholders(p phrase) map[string][]string {
	out := map[string][]string{}
	add := func(form, s string) {
		l := placeholder.FindAllString(s, -1)
		slices.Sort(l)
		out[form] = slices.Compact(l)
	}
	if p.forms == nil {
		add("", p.text)
	}
	for f, s := range p.forms {
		add(f, s)
	}
	return out
}

func equal(a, b map[string][]string) bool {
	return maps.EqualFunc(a, b, slices.Equal[[]string])
}

// Every phrase of English is in every language, with the same placeholders and all the plural forms the language has.
func TestEveryPhraseInEveryLanguage(t *testing.T) {
	en := open(t, English)
	for _, l := range Languages() {
		b := open(t, l.Tag)
		needs := map[string]bool{}
		for n := range 1000 {
			needs[b.form(n)] = true
		}
		for _, k := range slices.Sorted(maps.Keys(en.phrases)) {
			p, ok := b.phrases[k]
			if !ok {
				t.Errorf("%s lacks %s", l.Tag, k)
				continue
			}
			if k == "lang.list" || strings.HasPrefix(k, "lang.") {
				continue
			}
			want := en.phrases[k]
			if (p.forms == nil) != (want.forms == nil) {
				t.Errorf("%s: %s has plural forms in one language only", l.Tag, k)
				continue
			}
			all := placeholder.FindAllString(want.text+want.forms["other"], -1)
			slices.Sort(all)
			all = slices.Compact(all)
			if p.forms == nil {
				if p.text == "" {
					t.Errorf("%s: %s is empty", l.Tag, k)
				}
				if got := placeholders(p)[""]; !slices.Equal(got, all) {
					t.Errorf("%s: %s has %v, not %v", l.Tag, k, got, all)
				}
				continue
			}
			for f := range needs {
				s, ok := p.forms[f]
				if !ok {
					t.Errorf("%s: %s lacks the form %q", l.Tag, k, f)
				}
				exact := f == "zero" || f == "one" || f == "two"
				for _, ph := range all {
					if !strings.Contains(s, ph) && (!exact || ph != "{n}") {
						t.Errorf("%s: %s: form %q lacks %s", l.Tag, k, f, ph)
					}
				}
			}
			for f, s := range p.forms {
				if !slices.Contains([]string{"zero", "one", "two", "few", "many", "other"}, f) {
					t.Errorf("%s: %s: no language has a form %q", l.Tag, k, f)
				}
				for _, ph := range placeholder.FindAllString(s, -1) {
					if !slices.Contains(all, ph) {
						t.Errorf("%s: %s: %s is not filled", l.Tag, k, ph)
					}
				}
			}
		}
		for k := range b.phrases {
			if _, ok := en.phrases[k]; !ok {
				t.Errorf("%s has %s, English has not", l.Tag, k)
			}
		}
	}
}

// Every key that the code asks for is there, and none is there that nobody asks for. A key that code makes of a prefix,
// such as "fault."+code, counts for all that begin so.
func TestKeysAreUsed(t *testing.T) {
	en := open(t, English)
	used := map[string]bool{}
	var prefixes []string
	key := regexp.MustCompile(`^[a-z_]+(\.[a-z0-9_-]+)+$`)
	prefix := regexp.MustCompile(`^[a-z_]+(\.[a-z0-9_-]+)*\.$`)
	for _, root := range []string{"..", filepath.Join("..", "..", "cmd", "fountain-ui")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
						if key.MatchString(s) {
							used[s] = true
						}
						if prefix.MatchString(s) {
							prefixes = append(prefixes, s)
						}
					}
				case *ast.CallExpr:
					sel, ok := n.Fun.(*ast.SelectorExpr)
					if !ok || sel.Sel.Name != "T" && sel.Sel.Name != "N" || len(n.Args) == 0 {
						return true
					}
					if lit, ok := n.Args[0].(*ast.BasicLit); ok {
						s, _ := strconv.Unquote(lit.Value)
						if !en.Has(s) {
							t.Errorf("%s: asks for %q, which no language has", fset.Position(n.Pos()), s)
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(en.phrases)) {
		by := func(p string) bool { return strings.HasPrefix(k, p) }
		if !used[k] && !strings.HasPrefix(k, "lang.") && !slices.ContainsFunc(prefixes, by) {
			t.Errorf("%s is not used", k)
		}
	}
}

// The files are sorted and set alike, so that changes of several people merge.
func TestFilesAreSorted(t *testing.T) {
	names, err := fs.Glob(files, "data/*.json")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^  ("(?:[^"\\]|\\.)*"):`)
	for _, n := range names {
		b, err := files.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		last := ""
		for i, l := range strings.Split(string(b), "\n") {
			m := line.FindStringSubmatch(l)
			if m == nil {
				continue
			}
			k, err := strconv.Unquote(m[1])
			if err != nil {
				t.Fatal(err)
			}
			if k <= last {
				t.Errorf("%s:%d: %q after %q", n, i+1, k, last)
			}
			last = k
		}
		if last == "" {
			t.Error(fmt.Errorf("%s holds nothing", n))
		}
	}
}
