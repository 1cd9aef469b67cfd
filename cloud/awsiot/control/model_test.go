package control

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRoutesAgainstModel: method and path of every operation are those of AWS's own service models, where the aws command
// has brought them along; without it the routes must at least be told apart.
func TestRoutesAgainstModel(t *testing.T) {
	routes := (&Control{}).routes()
	for plane, all := range routes {
		seen := map[string]string{}
		for _, r := range all {
			key := r.method + " " + r.path
			if seen[key] != "" {
				t.Errorf("%s: %s and %s are both %s", plane, seen[key], r.op, key)
			}
			seen[key] = r.op
		}
	}
	out, err := exec.CommandContext(t.Context(), "python3", "-c", "import botocore, os; print(os.path.dirname(botocore.__file__))").Output()
	if err != nil {
		t.Skip("botocore is not installed: the routes are not compared with AWS's service models")
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "data")
	for plane, file := range map[string]string{
		planeControl: "iot/2015-05-28", planeData: "iot-data/2015-05-28", planeJobsData: "iot-jobs-data/2017-09-29",
	} {
		model := readModel(t, filepath.Join(root, file))
		if model.Metadata.Signing != plane {
			t.Errorf("the credential scope of %s is %s", file, model.Metadata.Signing)
		}
		compared := 0
		for _, r := range routes[plane] {
			if strings.HasPrefix(r.op, ownOp) {
				continue
			}
			o, ok := model.Operations[r.op]
			path := strings.ReplaceAll(r.path, "...}", "}")
			if !ok || o.HTTP.Method != r.method || strings.ReplaceAll(o.HTTP.URI, "+}", "}") != path {
				t.Errorf("%s is %s %s, in the model %s %s", r.op, r.method, path, o.HTTP.Method, o.HTTP.URI)
			}
			compared++
		}
		t.Logf("%s: %d of %d operations served", file, compared, len(model.Operations))
	}
}

type serviceModel struct {
	Metadata struct {
		Signing string `json:"signingName"`
	} `json:"metadata"`
	Operations map[string]struct {
		HTTP struct {
			Method string `json:"method"`
			URI    string `json:"requestUri"`
		} `json:"http"`
	} `json:"operations"`
}

func readModel(t *testing.T, dir string) (m serviceModel) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "service-2.json*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no service model in %s: %v", dir, err)
	}
	b := read(t, files[0])
	if strings.HasSuffix(files[0], ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
