package control

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"fountain/internal/logkey"
)

// route is one operation of AWS's API.
type route struct {
	op, method, path string
	call             func(r *request) (any, error)
}

// obj is a JSON object.
type obj = map[string]any

// raw is an answer that is sent as it is.
type raw []byte

// request is one call of an operation.
type request struct {
	*http.Request
	c    *Control
	body []byte
	// certificateID is the device's; empty for an administrator.
	certificateID string
}

type certificateKey struct{}

func withCertificate(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, certificateKey{}, id)
}

// maxBody bounds what is read; the largest legal body is a message of 128 KiB.
const maxBody = 512 << 10

// serve runs an operation and writes its answer.
func (c *Control) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				writeError(w, &failure{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLargeException", message: "the request is too large"})
			}
			return // else the client is gone
		}
		id, _ := r.Context().Value(certificateKey{}).(string)
		var answer any
		if err = checkPath(r); err == nil {
			answer, err = rt.call(&request{r, c, body, id})
		}
		if err != nil {
			f := failureOf(err)
			if f.status >= 500 {
				c.cfg.Log.Error("operation failed", logkey.Topic, rt.op, logkey.Err, err)
			}
			writeError(w, f)
			return
		}
		w.Header().Set("X-Amzn-Requestid", uuid.NewString())
		w.Header().Set("Content-Type", "application/json")
		if b, ok := answer.(raw); ok {
			_, _ = w.Write(b) // the client is gone
			return
		}
		if answer == nil {
			answer = obj{}
		}
		_ = json.NewEncoder(w).Encode(answer) // the client is gone
	})
}

// scope returns the service of the SigV4 credential scope: AKID/DATE/REGION/SERVICE/aws4_request.
func scope(r *http.Request) string {
	cred := r.URL.Query().Get("X-Amz-Credential")
	if _, rest, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		cred, _, _ = strings.Cut(rest, ",")
	}
	parts := strings.Split(strings.TrimSpace(cred), "/")
	if len(parts) < 5 {
		return ""
	}
	return parts[len(parts)-2]
}

// decode reads the body; an empty one is {}.
func (r *request) decode(v any) error {
	if len(bytes.TrimSpace(r.body)) == 0 {
		return nil
	}
	err := json.Unmarshal(r.body, v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field == "":
		return invalid("the body is a JSON %s, not an object", wrong.Value)
	case errors.As(err, &wrong):
		return invalid("%s cannot be a JSON %s", wrong.Field, wrong.Value)
	case err != nil:
		return invalid("the body cannot be read: %v", err)
	}
	return nil
}

func (r *request) query(key string) string { return r.URL.Query().Get(key) }

func (r *request) flag(key string) (bool, error) {
	switch v := r.query(key); v {
	case "":
		return false, nil
	default:
		b, err := strconv.ParseBool(v)
		if err != nil {
			return false, invalid("%s must be true or false", key)
		}
		return b, nil
	}
}

// number reads a whole number from the query; def when it is absent.
func (r *request) number(key string, def, least, most int64) (int64, error) {
	v := r.query(key)
	if v == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < least || n > most {
		return 0, invalid("%s must be from %d to %d", key, least, most)
	}
	return n, nil
}

// page is one page of a list that is asked for.
type page struct {
	limit int
	after string // the last item of the page before
}

// page reads the size and the token of a page, which have several names in AWS's API.
func (r *request) page(size, token string) (page, error) {
	n, err := r.number(size, 250, 1, 250)
	if err != nil {
		return page{}, err
	}
	after, err := r.after(token)
	return page{int(n), after}, err
}

// ordered reads a page, and whether the oldest come first, as lists with markers take them.
func (r *request) ordered() (p page, ascending bool, err error) {
	if p, err = r.page("pageSize", "marker"); err != nil {
		return p, false, err
	}
	ascending, err = r.flag("isAscendingOrder")
	return p, ascending, err
}

// after reads the token of a page: the last item of the page before.
func (r *request) after(token string) (string, error) {
	given := r.query(token)
	if given == "" {
		return "", nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(given)
	after, ok := strings.CutPrefix(string(plain), tokenMark)
	if err != nil || !ok {
		return "", invalid("%s is none of this list", token)
	}
	return after, nil
}

// tokenMark tells a token of ours from anything else that happens to be base64.
const tokenMark = "after:"

func pageToken(after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenMark + after))
}

// cut returns a page of a complete list and the token of the next one, empty at the end. key identifies an item.
func cut[T any](p page, all []T, key func(T) string) ([]T, string) {
	if p.after != "" {
		for i, x := range all {
			if key(x) == p.after {
				all = all[i+1:]
				break
			}
		}
	}
	if len(all) <= p.limit {
		return all, ""
	}
	all = all[:p.limit]
	return all, pageToken(key(all[len(all)-1]))
}

// list answers one page: items under name, and the token unless it is empty.
func list[T any](name string, items []T, tokenName, token string) obj {
	if items == nil {
		items = []T{}
	}
	o := obj{name: items}
	if token != "" {
		o[tokenName] = token
	}
	return o
}

// listed answers one page of names, each as view shows it.
func listed[T any](r *request, all func(*request) (page, []string, error), view func(string) T, name, tokenName string) (any, error) {
	p, names, err := all(r)
	if err != nil {
		return nil, err
	}
	names, token := cut(p, names, same)
	var out []T
	for _, n := range names {
		out = append(out, view(n))
	}
	return list(name, out, tokenName, token), nil
}

func same(s string) string { return s }
