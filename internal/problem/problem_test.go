package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
)

func TestTerminalAndExitCode(t *testing.T) {
	p := &Problem{Code: CodeBadConfig, Where: "c.yaml:2", What: "unknown key", Remedy: "did you mean sync.rule?"}
	if got, want := p.Error(), "unknown key: c.yaml:2: did you mean sync.rule?"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("disk on fire"), 1},
		{fmt.Errorf("start: %w", p), 2},
		{&Problem{Code: CodeBadRequest}, 2},
		{&Problem{Code: CodeNotFound}, 2},
		{&Problem{Code: CodeUnsafe}, 3},
		{&Problem{Code: CodeAddrInUse}, 1},
	} {
		if got := ExitCode(tc.err); got != tc.want {
			t.Errorf("exit code of %v is %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestHTTP(t *testing.T) {
	for _, tc := range []struct {
		err    error
		code   string
		status int
	}{
		{&Problem{Code: CodeBusy, Retry: true}, CodeBusy, 409},
		{fmt.Errorf("pour: %w", &Problem{Code: CodeUnsafe}), CodeUnsafe, 423},
		{&Problem{Code: CodeForbidden}, CodeForbidden, 403},
		{errors.New("a bug"), CodeInternal, 500},
	} {
		w := httptest.NewRecorder()
		Write(w, tc.err)
		var got Problem
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if w.Code != tc.status || got.Status != tc.status || got.Code != tc.code || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v: %d %+v", tc.err, w.Code, got)
		}
	}
}
