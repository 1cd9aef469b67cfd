package deploy_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"fountain/cloud/awsiot/stack"
	"fountain/deploy"
	"fountain/internal/problem"
)

// planted is one error put into the real template.
type planted struct {
	Name, Old, New, Says string
	Elsewhere            bool   // it shows in another resource
	Near                 int    // at most so many lines away; 0: anywhere in the resource
	text                 string // the broken template
	line                 int    // of the first difference
}

func plant(t *testing.T) []planted {
	t.Helper()
	b, err := os.ReadFile("testdata/planted.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []planted
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	text := string(deploy.DeviceTemplate)
	for i := range all {
		p := &all[i]
		at := strings.Index(text, p.Old)
		if at < 0 || p.Old == p.New {
			t.Fatalf("%s: the template has no %q", p.Name, p.Old)
		}
		for k := 0; k < len(p.Old) && k < len(p.New) && p.Old[k] == p.New[k]; k++ {
			at++
		}
		p.text = strings.Replace(text, p.Old, p.New, 1)
		p.line = 1 + strings.Count(text[:at], "\n")
	}
	return all
}

func loadText(text string) error {
	_, err := stack.Load([]byte(text), "device.yaml", stack.Location{Parameters: map[string]string{"PreProvisioningHookArn": hookARN}})
	return err
}

// section finds the section, and in Resources the resource, that a line belongs to.
func section(text string, line int) string {
	head, sub := "", ""
	for _, l := range strings.Split(text, "\n")[:line] {
		switch {
		case strings.HasPrefix(l, "  ") && !strings.HasPrefix(l, "   ") && !strings.HasPrefix(l, "  #"):
			sub = l
		case l != "" && l[0] != ' ' && l[0] != '#':
			head, sub = l, ""
		}
	}
	return head + sub
}

var place = regexp.MustCompile(`^device\.yaml:([0-9]+)$`)

// TestPlantedErrors: each error in the template is refused when it is loaded, with file, line and reason, and nothing else
// is wrong with the template.
func TestPlantedErrors(t *testing.T) {
	if err := loadText(string(deploy.DeviceTemplate)); err != nil {
		t.Fatalf("the real template: %v", err)
	}
	for _, p := range plant(t) {
		t.Run(p.Name, func(t *testing.T) {
			err := loadText(p.text)
			var pr *problem.Problem
			if !errors.As(err, &pr) || pr.Code != problem.CodeBadConfig || pr.Remedy == "" {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(pr.What, p.Says) {
				t.Errorf("%q does not say %q", pr.What, p.Says)
			}
			m := place.FindStringSubmatch(pr.Where)
			if m == nil {
				t.Fatalf("no line in %q", pr.Where)
			}
			line, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			if got, want := section(p.text, line), section(p.text, p.line); got != want != p.Elsewhere {
				t.Errorf("it points at line %d (%s), the error is at line %d (%s)", line, got, p.line, want)
			}
			if d := line - p.line; p.Near > 0 && (d > p.Near || -d > p.Near) {
				t.Errorf("it points at line %d, the error is at line %d", line, p.line)
			}
			t.Logf("%s: %s", pr.Where, pr.What)
		})
	}
}

// TestInterop judges the templates by the tools others wrote, and prints which gate catches which planted error. It
// installs an npm package; make test-interop runs it.
func TestInterop(t *testing.T) {
	if os.Getenv("FOUNTAIN_INTEROP") == "" {
		t.Skip("FOUNTAIN_INTEROP is not set: make test-interop installs the validators; our own check of the same errors is TestPlantedErrors")
	}
	all := plant(t)
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "clean.yaml")}
	write := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(files[0], string(deploy.DeviceTemplate))
	for i, p := range all {
		files = append(files, filepath.Join(dir, fmt.Sprintf("planted-%02d.yaml", i)))
		write(files[i+1], p.text)
	}
	tools := []string{"cloudformation-validate", "cfn-lint"}
	caught := map[string]map[string]string{}
	for _, tool := range tools {
		caught[tool] = judge(t, tool, files)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n| planted error | ours | %s |\n|---|---|---|---|\n", strings.Join(tools, " | "))
	missed := map[string]int{}
	for i, p := range all {
		ours := "caught"
		if err := loadText(p.text); err == nil {
			ours = "missed"
			t.Errorf("%s: our check missed it", p.Name)
		}
		row := []string{p.Name, ours}
		for _, tool := range tools {
			switch rule, ok := caught[tool][files[i+1]]; {
			case caught[tool] == nil:
				row = append(row, "not here")
			case ok:
				row = append(row, rule)
			default:
				row = append(row, "missed")
				missed[tool]++
			}
		}
		fmt.Fprintf(&table, "| %s |\n", strings.Join(row, " | "))
	}
	t.Log(table.String())
	for _, tool := range tools {
		if caught[tool] == nil {
			continue
		}
		if rule, bad := caught[tool][files[0]]; bad {
			t.Errorf("%s finds %s in the real template", tool, rule)
		}
		if n := len(all) - missed[tool]; n < 10 {
			t.Errorf("%s caught %d of %d: does it work at all?", tool, n, len(all))
		}
		t.Logf("%s missed %d of %d", tool, missed[tool], len(all))
	}
}

var finding = regexp.MustCompile(`^(.+?\.yaml):([0-9]+):.*?\b([FEW][0-9]{4})\b`)

// judge runs one tool on all files and returns the first finding of each; nil when the tool cannot be had here.
func judge(t *testing.T, tool string, files []string) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "./validate.sh", append([]string{"--tool", tool}, files...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 9 {
		t.Logf("SKIPPED: %s cannot be had here: %s", tool, errs.String())
		return nil
	}
	if err != nil && (exit == nil || exit.ExitCode() != 1) {
		t.Fatalf("%s: %v\n%s%s", tool, err, out.String(), errs.String())
	}
	found := map[string]string{}
	for _, l := range strings.Split(out.String(), "\n") {
		if m := finding.FindStringSubmatch(l); m != nil && found[m[1]] == "" {
			found[m[1]] = m[3]
		}
	}
	return found
}
