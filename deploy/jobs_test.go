package deploy_test

import (
	"testing"

	"fountain/cloud/awsiot/stack"
	"fountain/deploy"
	"fountain/sync/wire"
)

// TestJobTemplates: units understand the documents, and every roll-out ends itself when units fail.
func TestJobTemplates(t *testing.T) {
	if n := len(load(t, "").JobTemplates); n != 2 {
		t.Errorf("%d job templates without a bucket for diagnostics, want 2", n)
	}
	s, err := stack.Load(deploy.DeviceTemplate, deploy.DeviceTemplateName, stack.Location{Parameters: map[string]string{
		"PreProvisioningHookArn": hookARN, "DiagnosticsBucket": "fountain-diag", "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:alarms",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"fountain-selftest": wire.OpSelfTest, "fountain-restart": wire.OpRestart, "fountain-diagnostics": wire.OpDiag}
	if len(s.JobTemplates) != len(want) {
		t.Fatalf("%d job templates", len(s.JobTemplates))
	}
	for id, op := range want {
		j := s.JobTemplates[id]
		if j.Timeout == nil || op != wire.OpDiag && (j.Rollout == nil || j.Abort == nil) {
			t.Errorf("%s: %+v", id, j.Settings)
		}
		if op == wire.OpDiag {
			d, err := wire.DecodeJob[wire.DiagJob]([]byte(j.Document))
			if url := "${aws:iot:s3-presigned-url-upload:https://s3.us-east-1.amazonaws.com/fountain-diag/diagnostics/${thingName}/${jobId}.tar.gz}"; err != nil || d.URL != url {
				t.Errorf("%s: %v, %v", id, d, err)
			}
			continue
		}
		if d, err := wire.DecodeJob[wire.JobDocument]([]byte(j.Document)); err != nil || d.Operation != op {
			t.Errorf("%s: %+v, %v", id, d, err)
		}
	}
}
