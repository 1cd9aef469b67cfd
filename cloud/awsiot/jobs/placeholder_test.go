package jobs

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/sync/wire"
)

func TestPlaceholdersOfADocument(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		doc := `{"a":"${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/fw/v1/image.bin}","b":"x ${aws:iot:s3-presigned-url-v2:https://fw.s3.eu-west-1.amazonaws.com/my%20file} y",` +
			`"up":"${aws:iot:s3-presigned-url-upload:https://s3.eu-west-1.amazonaws.com/diag/${thingName}/${jobId}-${executionNumber}.tgz}"}`
		r.create("j", []string{"u1"}, func(q *CreateJobRequest) {
			q.Document, q.Presigned = doc, &PresignedURL{RoleARN: "arn:aws:iam::123456789012:role/jobs", ExpiresInSec: ptr[int64](90)}
		})
		want := map[string]any{
			"a": "https://local/fw/v1/image.bin?m=GET&t=u1&e=90", "b": "x https://local/fw/my file?m=GET&t=u1&e=90 y",
			"up": "https://local/diag/u1/j-1.tgz?m=PUT&t=u1&e=90",
		}
		b := wire.Jobs("u1")
		for name, got := range map[string]any{
			"notify-next": path(r.news()[1].body, "execution", "jobDocument"),
			"start-next":  path(r.accepted(b.StartNext(), ""), "execution", "jobDocument"),
			"describe":    path(r.accepted(b.Describe("j"), ""), "execution", "jobDocument"),
			"update":      path(r.accepted(b.Update("j"), `{"status":"IN_PROGRESS","includeJobDocument":true}`), "jobDocument"),
		} {
			if x := cmp.Diff(want, got); x != "" {
				t.Errorf("%s: %s", name, x)
			}
		}
		if got, err := r.GetJobDocument(t.Context(), "j"); err != nil || got != doc {
			t.Errorf("the operator sees the placeholders: %s %v", got, err)
		}
	})
}

// clock makes URLs that end some time from now.
type clock struct{}

func (clock) Presign(_, _, _, _ string, expires time.Duration) (string, error) {
	return "https://local/?until=" + time.Now().Add(expires).UTC().Format(time.RFC3339), nil
}

// TestFreshURL: whoever asks for a job again gets a URL that lives its whole time from then on.
func TestFreshURL(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.cfg.Presign = clock{}
		r.create("j", []string{"u1"}, func(q *CreateJobRequest) {
			q.Document = `{"a":"${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/fw/k}"}`
			q.Presigned = &PresignedURL{RoleARN: "arn:aws:iam::123456789012:role/jobs", ExpiresInSec: ptr[int64](60)}
		})
		for range 3 {
			want := "https://local/?until=" + time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
			if got := path(r.accepted(wire.Jobs("u1").Describe("j"), ""), "execution", "jobDocument", "a"); got != want {
				t.Errorf("got %v, want %s", got, want)
			}
			time.Sleep(10 * time.Minute)
		}
	})
}
