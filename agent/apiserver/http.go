package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"fountain/internal/problem"
	"fountain/internal/strictjson"
)

// readJSON reads one JSON object and nothing behind it; unknown fields are refused.
func readJSON(r *http.Request, out any) error {
	err := strictjson.Known(r.Body, out)
	if err == nil {
		return nil
	}
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return &problem.Problem{
			Code: problem.CodeBadRequest, Where: r.URL.Path, Status: http.StatusRequestEntityTooLarge,
			What: fmt.Sprintf("the body is larger than %d bytes", big.Limit),
		}
	}
	return &problem.Problem{
		Code: problem.CodeBadRequest, Where: r.URL.Path, What: "cannot read the body: " + err.Error(),
		Remedy: "send one JSON object with the fields of agent/api",
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		problem.Write(w, fmt.Errorf("encode answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}

// listen creates the socket at path, mode 0660. A file nobody listens behind is left over from a crash and replaced; a
// live one belongs to another agent, which is not disturbed.
func listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, &problem.Problem{
			Code: problem.CodeBadConfig, Where: path, What: fmt.Sprintf("socket path is longer than %d bytes", maxPath),
			Remedy: "choose a shorter state directory",
		}
	}
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
		return nil, &problem.Problem{
			Code: problem.CodeAddrInUse, Where: path, What: "another agent serves this socket",
			Remedy: "stop it, or give this one its own --state directory",
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, notWritable(path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, notWritable(path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close()
		return nil, notWritable(path, err)
	}
	return l, nil
}

func notWritable(path string, err error) error {
	return &problem.Problem{
		Code: problem.CodeNotWritable, Where: path, What: fmt.Sprintf("cannot create the socket: %v", err),
		Remedy: "make the directory writable for the agent's user",
	}
}
