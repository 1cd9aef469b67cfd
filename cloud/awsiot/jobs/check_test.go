package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLimitsOfCreateJob: what is out of range is refused with its place, what is just inside is taken.
func TestLimitsOfCreateJob(t *testing.T) {
	now := time.Date(2026, 11, 23, 6, 30, 20, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format("2006-01-02T15:04") }
	const year = 365 * 24 * time.Hour
	for _, tc := range []struct {
		name  string
		json  string // of the request
		place string // in the refusal; empty: taken
	}{
		{"nothing", `{}`, ""},
		{"description of 2028", `{"description":"` + strings.Repeat("d", 2028) + `"}`, ""},
		{"description of 2029", `{"description":"` + strings.Repeat("d", 2029) + `"}`, "description"},
		{"description with control characters", `{"description":"a\u0007b"}`, "description"},
		{"maximumPerMinute 1000", `{"jobExecutionsRolloutConfig":{"maximumPerMinute":1000}}`, ""},
		{"maximumPerMinute 1001", `{"jobExecutionsRolloutConfig":{"maximumPerMinute":1001}}`, "'jobExecutionsRolloutConfig.maximumPerMinute'"},
		{"maximumPerMinute 0", `{"jobExecutionsRolloutConfig":{"maximumPerMinute":0}}`, "'jobExecutionsRolloutConfig.maximumPerMinute'"},
		{"exponential", `{"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":50,"incrementFactor":1.5,"rateIncreaseCriteria":{"numberOfNotifiedThings":1000}}}}`, ""},
		{"base rate 100000", `{"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":100000,"incrementFactor":2,"rateIncreaseCriteria":{"numberOfSucceededThings":1}}}}`, "exponentialRate.baseRatePerMinute"},
		{"factor 1.55", `{"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":50,"incrementFactor":1.55,"rateIncreaseCriteria":{"numberOfNotifiedThings":1}}}}`, "exponentialRate.incrementFactor"},
		{"factor 1", `{"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":50,"incrementFactor":1,"rateIncreaseCriteria":{"numberOfNotifiedThings":1}}}}`, "exponentialRate.incrementFactor"},
		{"factor 5.1", `{"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":50,"incrementFactor":5.1,"rateIncreaseCriteria":{"numberOfNotifiedThings":1}}}}`, "exponentialRate.incrementFactor"},
		{"no criteria", `{"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":50,"incrementFactor":2}}}`, "exponentialRate.rateIncreaseCriteria"},
		{"no base rate", `{"jobExecutionsRolloutConfig":{"exponentialRate":{"incrementFactor":2,"rateIncreaseCriteria":{"numberOfNotifiedThings":1}}}}`, "exponentialRate.baseRatePerMinute"},
		{"criterion 0", `{"jobExecutionsRolloutConfig":{"exponentialRate":{"baseRatePerMinute":50,"incrementFactor":2,"rateIncreaseCriteria":{"numberOfNotifiedThings":0}}}}`, "numberOfNotifiedThings"},
		{"abort", `{"abortConfig":{"criteriaList":[{"failureType":"ALL","action":"CANCEL","thresholdPercentage":10.99,"minNumberOfExecutedThings":1}]}}`, ""},
		{"abort without criteria", `{"abortConfig":{"criteriaList":[]}}`, "abortConfig.criteriaList"},
		{"abort on success", `{"abortConfig":{"criteriaList":[{"failureType":"SUCCEEDED","action":"CANCEL","thresholdPercentage":10,"minNumberOfExecutedThings":1}]}}`, "criteriaList.1.member.failureType"},
		{"abort by pause", `{"abortConfig":{"criteriaList":[{"failureType":"ALL","action":"PAUSE","thresholdPercentage":10,"minNumberOfExecutedThings":1}]}}`, "criteriaList.1.member.action"},
		{"threshold 101", `{"abortConfig":{"criteriaList":[{"failureType":"ALL","action":"CANCEL","thresholdPercentage":101,"minNumberOfExecutedThings":1}]}}`, "thresholdPercentage"},
		{"threshold 10.999", `{"abortConfig":{"criteriaList":[{"failureType":"ALL","action":"CANCEL","thresholdPercentage":10.999,"minNumberOfExecutedThings":1}]}}`, "thresholdPercentage"},
		{"no things", `{"abortConfig":{"criteriaList":[{"failureType":"ALL","action":"CANCEL","thresholdPercentage":10,"minNumberOfExecutedThings":0}]}}`, "minNumberOfExecutedThings"},
		{"no threshold", `{"abortConfig":{"criteriaList":[{"failureType":"ALL","action":"CANCEL","minNumberOfExecutedThings":1}]}}`, "thresholdPercentage"},
		{"timeout 10080", `{"timeoutConfig":{"inProgressTimeoutInMinutes":10080}}`, ""},
		{"timeout 10081", `{"timeoutConfig":{"inProgressTimeoutInMinutes":10081}}`, "timeoutConfig.inProgressTimeoutInMinutes"},
		{"timeout 0", `{"timeoutConfig":{"inProgressTimeoutInMinutes":0}}`, "timeoutConfig.inProgressTimeoutInMinutes"},
		{"retries", `{"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"FAILED","numberOfRetries":10},{"failureType":"TIMED_OUT","numberOfRetries":0}]}}`, ""},
		{"11 retries", `{"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"FAILED","numberOfRetries":11}]}}`, "numberOfRetries"},
		{"retry of rejected", `{"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"REJECTED","numberOfRetries":1}]}}`, "failureType"},
		{"retries without criteria", `{"jobExecutionsRetryConfig":{"criteriaList":[]}}`, "jobExecutionsRetryConfig.criteriaList"},
		{"ALL and another", `{"jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"ALL","numberOfRetries":1},{"failureType":"FAILED","numberOfRetries":1}]}}`, "failureType"},
		{"expires 60", `{"presignedUrlConfig":{"expiresInSec":60,"roleArn":"arn:aws:iam::123456789012:role/jobs"}}`, ""},
		{"expires 59", `{"presignedUrlConfig":{"expiresInSec":59}}`, "presignedUrlConfig.expiresInSec"},
		{"expires 3601", `{"presignedUrlConfig":{"expiresInSec":3601}}`, "presignedUrlConfig.expiresInSec"},
		{"role", `{"presignedUrlConfig":{"roleArn":"jobs"}}`, "presignedUrlConfig.roleArn"},
		{"start in 30 minutes", `{"schedulingConfig":{"startTime":"` + at(30*time.Minute) + `"}}`, ""},
		{"start in 29 minutes", `{"schedulingConfig":{"startTime":"` + at(29*time.Minute) + `"}}`, "startTime"},
		{"start in 13 months", `{"schedulingConfig":{"startTime":"` + at(year+31*24*time.Hour) + `"}}`, "startTime"},
		{"start is no time", `{"schedulingConfig":{"startTime":"soon"}}`, "startTime"},
		{"start with an offset", `{"schedulingConfig":{"startTime":"2026-11-23T09:30+02:00"}}`, ""},
		{"end in 30 minutes", `{"schedulingConfig":{"endTime":"` + at(30*time.Minute) + `","endBehavior":"CANCEL"}}`, ""},
		{"end in 28 minutes", `{"schedulingConfig":{"endTime":"` + at(28*time.Minute) + `"}}`, "endTime"},
		{"30 minutes between", `{"schedulingConfig":{"startTime":"` + at(time.Hour) + `","endTime":"` + at(90*time.Minute) + `"}}`, ""},
		{"29 minutes between", `{"schedulingConfig":{"startTime":"` + at(time.Hour) + `","endTime":"` + at(89*time.Minute) + `"}}`, "endTime"},
		{"end in 3 years", `{"schedulingConfig":{"endTime":"` + at(3*year) + `"}}`, "endTime"},
		{"end behavior", `{"schedulingConfig":{"endTime":"` + at(time.Hour) + `","endBehavior":"EXPLODE"}}`, "endBehavior"},
		{"window", `{"schedulingConfig":{"maintenanceWindows":[{"startTime":"cron(0 18 ? * MON *)","durationInMinutes":1430}]}}`, ""},
		{"long window", `{"schedulingConfig":{"maintenanceWindows":[{"startTime":"cron(0 18 ? * MON *)","durationInMinutes":1431}]}}`, "maintenanceWindows.1.member.durationInMinutes"},
		{"window without duration", `{"schedulingConfig":{"maintenanceWindows":[{"startTime":"cron(0 18 ? * MON *)"}]}}`, "durationInMinutes"},
		{"window without cron", `{"schedulingConfig":{"maintenanceWindows":[{"startTime":"monday","durationInMinutes":10}]}}`, "maintenanceWindows.1.startTime"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var q CreateJobRequest
			if err := json.Unmarshal([]byte(tc.json), &q); err != nil {
				t.Fatal(err)
			}
			c := checker{}
			c.settings(&q.Settings)
			c.scheduling(q.Scheduling, now)
			if tc.place == "" {
				if err := c.err(); err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, c.err(), "InvalidRequestException", tc.place)
		})
	}
}

func TestDocumentsOfCreateJob(t *testing.T) {
	role := &PresignedURL{RoleARN: "arn:aws:iam::123456789012:role/jobs"}
	link := func(n int) string {
		return `{"a":"` + strings.Repeat(`${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/b/k}`, n) + `"}`
	}
	for _, tc := range []struct {
		name, doc string
		presigned *PresignedURL
		place     string
	}{
		{"an object", `{"a":1}`, nil, ""},
		{"32 KB", `{"a":"` + strings.Repeat("x", 32768-8) + `"}`, nil, ""},
		{"more than 32 KB", `{"a":"` + strings.Repeat("x", 32769-8) + `"}`, nil, "'document'"},
		{"no JSON", `{"a":`, nil, "not valid JSON"},
		{"an object after space", "\n {} ", nil, ""},
		{"a string", `"a"`, nil, "JSON object"},
		{"a list", `[{"a":1}]`, nil, "JSON object"},
		{"a number", `1`, nil, "JSON object"},
		{"null", `null`, nil, "JSON object"},
		{"ten placeholders", link(10), role, ""},
		{"eleven placeholders", link(11), role, "11 placeholders"},
		{"placeholder without a role", link(1), nil, "presignedUrlConfig.roleArn"},
		{"open placeholder", `{"a":"${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/b/k"}`, role, "does not end"},
		{"other host", `{"a":"${aws:iot:s3-presigned-url:https://example.com/b/k}"}`, role, "no URL of S3"},
		{"http", `{"a":"${aws:iot:s3-presigned-url:http://s3.eu-west-1.amazonaws.com/b/k}"}`, role, "no https URL"},
		{"no key", `{"a":"${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/b}"}`, role, "missing"},
		{"unknown kind", `{"a":"${aws:iot:s3-presigned-url-v9:https://s3.eu-west-1.amazonaws.com/b/k}"}`, role, "unknown kind"},
		{"keyword in the bucket", `{"a":"${aws:iot:s3-presigned-url-upload:https://s3.eu-west-1.amazonaws.com/${thingName}/k}"}`, role, "bucket"},
		{"keyword three times", `{"a":"${aws:iot:s3-presigned-url-upload:https://s3.eu-west-1.amazonaws.com/b/${jobId}${jobId}${jobId}}"}`, role, "more than twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := checkDocument(tc.doc, tc.presigned)
			if tc.place == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, "InvalidRequestException", tc.place)
		})
	}
}

func TestS3URLs(t *testing.T) {
	for _, tc := range []struct{ link, bucket, key string }{
		{"https://s3.eu-west-1.amazonaws.com/b/k", "b", "k"},
		{"https://s3.amazonaws.com/b/dir/k.bin", "b", "dir/k.bin"},
		{"https://s3-eu-west-1.amazonaws.com/b/k", "b", "k"},
		{"https://b.s3.eu-west-1.amazonaws.com/dir/k", "b", "dir/k"},
		{"https://b.s3.amazonaws.com/k", "b", "k"},
		{"https://my.b.s3.eu-west-1.amazonaws.com/k", "my.b", "k"},
		{"https://s3.cn-north-1.amazonaws.com.cn/b/k", "b", "k"},
		{"https://s3.eu-west-1.example.com/b/k", "", ""},
		{"https://notS3.amazonaws.com/b/k", "", ""},
		{"https://b.s3.eu-west-1.amazonaws.com/", "", ""},
	} {
		bucket, key, err := parseS3(tc.link, false)
		if bucket != tc.bucket || key != tc.key || (err == nil) != (tc.bucket != "") {
			t.Errorf("%s: %q %q %v", tc.link, bucket, key, err)
		}
	}
	if _, key, err := parseS3("https://s3.eu-west-1.amazonaws.com/b/a%20b%3FversionId%3Dxyz", true); key != "a b" || err != nil {
		t.Errorf("%q %v", key, err)
	}
}

func TestCron(t *testing.T) {
	from := time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC) // a Monday
	for _, tc := range []struct{ cron, next string }{
		{"cron(0 18 ? * MON *)", "2026-11-23T18:00"},
		{"cron(0 6 ? * MON *)", "2026-11-30T06:00"},
		{"cron(30 6 * * ? *)", "2026-11-24T06:30"}, // not the same minute again
		{"cron(31 6 * * ? *)", "2026-11-23T06:31"},
		{"cron(0/15 * * * ? *)", "2026-11-23T06:45"},
		{"cron(0 0 1 * ? *)", "2026-12-01T00:00"},
		{"cron(0 0 31 * ? *)", "2026-12-31T00:00"},
		{"cron(0 0 29 2 ? *)", "2028-02-29T00:00"},
		{"cron(0 3 ? * SAT,SUN *)", "2026-11-28T03:00"},
		{"cron(0 3 ? * 2-6 *)", "2026-11-24T03:00"},
		{"cron(0 3 ? JAN MON 2027)", "2027-01-04T03:00"},
		{"0 3 ? * SUN *", "2026-11-29T03:00"},
		{"cron(0 0 1 1 ? 2025)", ""},
		{"cron(0 0 30 2 ? *)", ""},
	} {
		c, err := parseCron(tc.cron)
		if err != nil {
			t.Errorf("%s: %v", tc.cron, err)
			continue
		}
		got := ""
		if at := c.next(from); !at.IsZero() {
			got = at.Format("2006-01-02T15:04")
		}
		if got != tc.next {
			t.Errorf("%s: next is %q, want %q", tc.cron, got, tc.next)
		}
	}
	for _, bad := range []string{"", "cron(0 18 ? * MON *", "cron(60 0 * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 1 * MON *)", "cron(0 0 ? * FUN *)", "cron(5-1 0 * * ? *)", "cron(0/0 0 * * ? *)", "rate(1 day)"} {
		if _, err := parseCron(bad); err == nil {
			t.Errorf("took %q", bad)
		}
	}
}

// TestWindowAgainstMinutes compares open with a plain walk over the minutes of a week.
func TestWindowAgainstMinutes(t *testing.T) {
	cfg := &SchedulingConfig{Windows: []MaintenanceWindow{
		{"cron(0 22 ? * FRI *)", ptr[int64](600)}, {"cron(30 3 ? * * *)", ptr[int64](45)}, {"cron(0/20 12 ? * TUE *)", ptr[int64](30)},
	}}
	s, err := parseSchedule(cfg)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	opens := map[time.Time]bool{}
	for m := range 9 * 24 * 60 {
		at := from.Add(time.Duration(m-24*60) * time.Minute)
		for i, w := range s.windows {
			if next := w.cron.next(at.Add(-time.Minute)); next.Equal(at) {
				for d := range int(*cfg.Windows[i].Minutes) {
					opens[at.Add(time.Duration(d)*time.Minute)] = true
				}
			}
		}
	}
	for m := range 7 * 24 * 60 {
		at := from.Add(time.Duration(m) * time.Minute)
		open, turns := s.open(at.Add(30 * time.Second))
		if open != opens[at] {
			t.Fatalf("%s: open %v", at, open)
		}
		if !turns.After(at) || !open && !opens[turns] {
			t.Fatalf("%s: turns at %s", at, turns)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{"", "{}", `{"clientToken":"t","status":"IN_PROGRESS","statusDetails":{"a":"b"},"expectedVersion":"3","executionNumber":1,"stepTimeoutInMinutes":-1,"includeJobDocument":false}`, `{"statusDetails":{"a":1}}`, "[1]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := decodeRequest(b)
		if len(q.token) > 64 {
			t.Fatal("a token that is too long is echoed")
		}
		if err == nil && len(b) > 0 && !json.Valid(b) {
			t.Fatalf("took %q", b)
		}
	})
}

func FuzzPlaceholders(f *testing.F) {
	f.Add(`{"a":"${aws:iot:s3-presigned-url-upload:https://s3.eu-west-1.amazonaws.com/b/${thingName}/k}"}`)
	f.Add(`{"a":"${aws:iot:s3-presigned-url-v2:https://b.s3.amazonaws.com/a%20b}${aws:iot:s3-presigned-url:"}`)
	f.Fuzz(func(t *testing.T, doc string) {
		marks, err := placeholders(doc)
		at := 0
		for _, m := range marks {
			if err != nil || m.from < at || m.to <= m.from || !strings.HasPrefix(doc[m.from:], placeholderStart) || doc[m.to-1] != '}' || m.bucket == "" || m.key == "" {
				t.Fatalf("%+v %v", m, err)
			}
			at = m.to
		}
		if err != nil || len(marks) == 0 || !json.Valid([]byte(doc)) {
			return
		}
		j := &job{rec: record{CreateJobRequest: CreateJobRequest{Document: doc}}}
		s := &Service{cfg: Config{Presign: presigner{}}}
		out, err := s.document(j, "u1", 1)
		if err == nil && !json.Valid(out) {
			t.Fatalf("a valid document became %s", out)
		}
	})
}

func FuzzSchedule(f *testing.F) {
	f.Add("2026-11-23T06:30", "cron(0 18 ? * MON *)")
	f.Add("2026-11-23 06:30", "0/7 1-5,9 L * ? 2027-2030")
	f.Fuzz(func(t *testing.T, at, expr string) {
		_, _ = parseTime(at)
		c, err := parseCron(expr)
		if err != nil {
			return
		}
		from := time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)
		if next := c.next(from); !next.IsZero() && (!next.After(from) || !c.day(next) || c.hours&(1<<next.Hour()) == 0 || c.minutes&(1<<next.Minute()) == 0) {
			t.Fatalf("%s: next is %s", expr, next)
		}
	})
}

func ExampleService_CreateJob_refusal() {
	c := checker{}
	c.rollout(&RolloutConfig{MaximumPerMinute: ptr[int64](100000)})
	fmt.Println(c.err())
	// Output: InvalidRequestException: 1 validation error detected: Value '100000' at 'jobExecutionsRolloutConfig.maximumPerMinute' failed to satisfy constraint: Member must have value less than or equal to 1000
}
