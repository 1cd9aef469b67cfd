package words

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"fountain/internal/logkey"
)

//go:embed data/*.json
var files embed.FS

// Language tells about a language the screen can speak.
type Language struct {
	Tag    string // BCP 47
	Name   string // in the language itself, as a list of languages shows it
	RTL    bool   // written from right to left
	Script string // ISO 15924, such as Latn; the fonts of the screen follow it
}

// Library is the languages there are. It never changes and is safe for concurrent use.
type Library struct {
	sources []fs.FS // later ones win, file by file and key by key
	tags    []string
	log     *slog.Logger
}

// Embedded is the library that comes with the program.
func Embedded() (*Library, error) { return Load(nil) }

// Load is the embedded library with further files in the same format: <tag>.json and catalogue.<tag>.json at the root of
// each source. A file of a known language changes only the keys it has. log gets missing phrases; nil discards them.
func Load(log *slog.Logger, sources ...fs.FS) (*Library, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	own, err := fs.Sub(files, "data")
	if err != nil {
		return nil, fmt.Errorf("open words: %w", err)
	}
	l := &Library{sources: append([]fs.FS{own}, sources...), log: log}
	tags := map[string]bool{}
	for _, s := range l.sources {
		names, err := fs.Glob(s, "*.json")
		if err != nil {
			return nil, fmt.Errorf("list words: %w", err)
		}
		for _, n := range names {
			tag := strings.TrimSuffix(n, ".json")
			if _, err := language.Parse(tag); err == nil { // neither catalogue.de nor the fonts.json beside it
				tags[tag] = true
			}
		}
	}
	l.tags = slices.Sorted(maps.Keys(tags))
	return l, nil
}

// OpenDir is the embedded library with the files of a directory on the unit; one that does not exist adds nothing.
func OpenDir(dir string, log *slog.Logger) (*Library, error) {
	if _, err := os.Stat(dir); dir == "" || errors.Is(err, fs.ErrNotExist) {
		return Load(log)
	}
	return Load(log, os.DirFS(dir))
}

// Languages lists the languages, English first, then by tag. One whose files cannot be read, or that
// does not say its name, is left out; Open says why.
func Languages() []Language {
	l, err := Embedded()
	if err != nil {
		return nil
	}
	return l.Languages()
}

// Languages lists the languages, English first, then by tag. One whose files cannot be read, or that
// does not say its name, is left out; Open says why.
func (l *Library) Languages() []Language {
	out := []Language{}
	for _, tag := range l.tags {
		p, err := l.phrases(tag)
		lang := about(tag, p)
		if err != nil || lang.Name == "" {
			continue
		}
		if tag == English {
			out = slices.Insert(out, 0, lang)
		} else {
			out = append(out, lang)
		}
	}
	return out
}

func about(tag string, p map[string]phrase) Language {
	return Language{Tag: tag, Name: p["lang.name"].text, RTL: p["lang.direction"].text == "rtl", Script: p["lang.script"].text}
}

// Open reads the language tag. An unknown one is an error that names those there are.
func (l *Library) Open(tag string) (*Book, error) {
	en, err := l.read(English)
	if err != nil {
		return nil, err
	}
	switch tag {
	case English:
		return en, nil
	case Pseudo, PseudoRTL:
		return pseudo(en, tag), nil
	}
	if !slices.Contains(l.tags, tag) {
		return nil, fmt.Errorf("open language %q: unknown: use one of %s", tag, strings.Join(l.tags, ", "))
	}
	b, err := l.read(tag)
	if err != nil {
		return nil, err
	}
	b.english = en
	return b, nil
}

func (l *Library) read(tag string) (*Book, error) {
	p, err := l.phrases(tag)
	if err != nil {
		return nil, err
	}
	t, err := language.Parse(tag)
	if err != nil {
		return nil, fmt.Errorf("open language %q: %w", tag, err)
	}
	return &Book{
		lang: about(tag, p), tag: t, phrases: p, library: l, log: l.log, missing: new(sync.Map),
		names: sync.OnceValue(func() map[string]string { return l.names(tag) }),
	}, nil
}

func (l *Library) phrases(tag string) (map[string]phrase, error) {
	out := map[string]phrase{}
	found := false
	for _, s := range l.sources {
		b, err := fs.ReadFile(s, tag+".json")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(b, &out)
		}
		if err != nil {
			return nil, fmt.Errorf("read language %q: %w", tag, err)
		}
		found = true
	}
	if !found {
		return nil, fmt.Errorf("read language %q: %w", tag, fs.ErrNotExist)
	}
	return out, nil
}

// names is read when the first name is asked for. A broken file costs the names of the catalogue, never the screen.
func (l *Library) names(tag string) map[string]string {
	out := map[string]string{}
	for _, s := range l.sources {
		name := "catalogue." + tag + ".json"
		b, err := fs.ReadFile(s, name)
		if err == nil {
			err = json.Unmarshal(b, &out)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.log.Warn("names of the catalogue cannot be read", slog.String(logkey.Path, name), slog.Any(logkey.Err, err))
		}
	}
	return out
}
