package control_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStockCommand drives the planes with the aws command as it is installed.
func TestStockCommand(t *testing.T) {
	t.Parallel() // nearly all of it is waiting for Python
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the aws command is not installed: the stock client is not tried")
	}
	c := newCloud(t)
	home := t.TempDir()
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"--endpoint-url", c.admin.URL, "--region", "us-east-1", "--output", "json"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+home, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=any", "AWS_CONFIG_FILE="+filepath.Join(home, "none"), "AWS_PAGER=")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		return string(out) + stderr.String(), err
	}
	aws := func(args ...string) map[string]any {
		t.Helper()
		out, err := run(args...)
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		var v map[string]any
		if strings.TrimSpace(out) != "" {
			if err := json.Unmarshal([]byte(out), &v); err != nil {
				t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
		return v
	}
	aws("iot", "create-thing", "--thing-name", "t1", "--attribute-payload", `{"attributes":{"a":"b"}}`)
	if out, err := run("iot", "describe-thing", "--thing-name", "none"); err == nil || !strings.Contains(out, "(ResourceNotFoundException) when calling the DescribeThing operation") {
		t.Fatalf("%v %s", err, out)
	}
	if os.Getenv("FOUNTAIN_INTEROP") == "" {
		t.Skip("FOUNTAIN_INTEROP is not set: make test-interop drives the other commands of aws, each half a second and more of Python")
	}
	wantList(t, column(aws("iot", "list-things", "--attribute-name", "a", "--attribute-value", "b")["things"], "thingName"), "t1")
	cert := aws("iot", "create-keys-and-certificate", "--set-as-active")["certificateArn"].(string)
	aws("iot", "create-policy", "--policy-name", "p1", "--policy-document", anything)
	aws("iot", "attach-policy", "--policy-name", "p1", "--target", cert)
	aws("iot", "attach-thing-principal", "--thing-name", "t1", "--principal", cert)
	wantList(t, column(aws("iot", "list-attached-policies", "--target", cert)["policies"], "policyName"), "p1")
	if d := aws("iot", "describe-certificate", "--certificate-id", cert[len(cert)-64:]); get(d, "certificateDescription", "status") != "ACTIVE" {
		t.Fatal(d)
	}
	aws("iot", "create-job", "--job-id", "j1", "--targets", arn+"thing/t1", "--document", `{"op":1}`)
	if e := aws("iot-jobs-data", "start-next-pending-job-execution", "--thing-name", "t1"); get(e, "execution", "jobDocument") != `{"op":1}` {
		t.Fatal(e)
	}
	file := filepath.Join(home, "shadow.json")
	if out, err := run("iot-data", "get-thing-shadow", "--thing-name", "t1", file); err == nil || !strings.Contains(out, "ResourceNotFoundException") || !strings.Contains(out, "No shadow exists with name: 't1'") {
		t.Fatalf("%v %s", err, out)
	}
	payload := filepath.Join(home, "payload.json")
	if err := os.WriteFile(payload, []byte(`{"state":{"desired":{"x":1}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	aws("iot-data", "update-thing-shadow", "--thing-name", "t1", "--payload", "fileb://"+payload, file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil || get(doc, "state", "desired", "x") != 1.0 {
		t.Fatalf("%v %s", err, b)
	}
}
