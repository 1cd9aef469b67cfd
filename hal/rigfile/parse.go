package rigfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"fountain/hal"
	"fountain/internal/problem"
)

// maxSize bounds a rig file; the demo machine with 80 pumps needs about 20 KB.
const maxSize = 1 << 20

// Load reads and checks the rig file at path. Every error is, or joins, *problem.Problem with CodeBadConfig, or
// CodeNotFound when there is no such file.
func Load(path string) (*Rig, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &problem.Problem{Code: problem.CodeNotFound, Where: path, What: "no such rig file", Remedy: "check the path, or use \"sim\" for the built-in demo rig"}
	case err != nil:
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: "the rig file cannot be read: " + err.Error(), Remedy: "make the file readable"}
	}
	return Parse(path, data)
}

// Parse checks a rig file already in memory; name stands in messages.
func Parse(name string, data []byte) (*Rig, error) {
	r := &reader{file: name}
	if len(data) > maxSize {
		r.fail(nil, "", fmt.Sprintf("larger than %d bytes", maxSize), "this is no rig file")
		return nil, r.err()
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			r.fail(nil, "", "empty", "start from testdata/rig/demo.yaml")
		} else {
			r.fail(nil, "", "not YAML: "+strings.TrimPrefix(err.Error(), "yaml: "), "correct the line it names")
		}
		return nil, r.err()
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		r.fail(nil, "", "more than one document", "keep one rig per file")
	}
	p := &parser{reader: r, rig: &Rig{Path: name}, ids: map[string]int{}, chips: map[string]*Chip{}, pins: map[pin]string{}}
	p.file(doc.Content[0])
	if err := r.err(); err != nil {
		return nil, err
	}
	return p.rig, nil
}

// parser builds the rig; what needs the whole file is checked at the end.
type parser struct {
	*reader
	rig   *Rig
	ids   map[string]int // id → line where it stands
	chips map[string]*Chip
	pins  map[pin]string // who uses a pin
	later []func()       // checks that need all ids

	resets []func() // reset lines of the chips, read when all chips are known
}

var idForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (p *parser) file(root *yaml.Node) {
	o := p.object(root, "", "board", "chips", "heartbeat", "outputs", "pumps", "meters", "interlocks", "slots", "agitators", "sensors", "sim")
	if n := o.keys["board"]; n != nil {
		p.board(n)
	}
	o.each("chips", p.chip)
	for _, reset := range p.resets { // a reset line may be on a chip further down
		reset()
	}
	if n := o.keys["heartbeat"]; n != nil {
		p.heartbeat(n)
	}
	o.each("outputs", p.valve)
	o.each("pumps", p.pump)
	o.each("meters", p.meter)
	o.each("interlocks", p.interlock)
	o.each("slots", p.slot)
	o.each("agitators", p.agitator)
	o.each("sensors", p.sensor)
	if !p.hasValve(hal.Master) {
		p.fail(o.at("outputs"), "outputs", "no MASTER valve", "add an output with id: master and owner: guard")
	}
	if n := o.keys["sim"]; n != nil {
		p.sim(n)
	}
	if p.rig.Sim.OnOwnerDeath == "" {
		p.rig.Sim.OnOwnerDeath = DeathHold
	}
	for _, check := range p.later {
		check()
	}
}

func (p *parser) hasValve(id string) bool {
	for _, v := range p.rig.Valves {
		if v.ID == id {
			return true
		}
	}
	return false
}

// id reads the entry's id, which must be well formed and new.
func (p *parser) id(o *object) string {
	id := o.need("id", "give it an id: lower case letters, digits, - and _")
	if id == "" {
		return ""
	}
	if !idForm.MatchString(id) {
		o.bad("id", fmt.Sprintf("%q is not an id", id), "use lower case letters, digits, - and _, starting with a letter, at most 32")
	}
	if line, dup := p.ids[id]; dup {
		o.bad("id", fmt.Sprintf("id %q is already used in line %d", id, line), "choose another id")
	} else {
		p.ids[id] = o.at("id").Line
	}
	o.named(id)
	return id
}
