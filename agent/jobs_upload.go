package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"fountain/agent/api"
	"fountain/sync/jobs"
	"fountain/sync/wire"
)

// upload puts the diagnostics where the job says: a presigned URL, which the cloud makes of the document's placeholder
// whenever the document is asked for.
//
//	diag.File ──► PUT url ──2xx──► done
//	                 └── 4xx: Fresh, a new url · 5xx, network: again after a pause, from the start
type upload struct{ a *Agent }

var _ jobs.Runner = upload{}

// Bounds of an upload.
const (
	uploadOne   = 2 * time.Minute // one PUT; 4 MiB over a slow line
	uploadLimit = 6 * time.Hour
	urlMost     = 4096 // a presigned URL has about 1,600 characters
)

// Check implements jobs.Runner.
func (upload) Check(document json.RawMessage) error {
	_, err := target(document)
	return err
}

// target is where a document wants the file.
func target(document json.RawMessage) (string, error) {
	d, err := wire.DecodeJob[wire.DiagJob](document)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(d.URL)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil:
		return "", fmt.Errorf("%w: url must be an https address, such as the placeholder ${aws:iot:s3-presigned-url-upload:…} becomes", wire.ErrJobDocument)
	case len(d.URL) > urlMost:
		return "", fmt.Errorf("%w: url has %d characters, at most %d", wire.ErrJobDocument, len(d.URL), urlMost)
	}
	return d.URL, nil
}

// Limit implements jobs.Runner.
func (upload) Limit() time.Duration { return uploadLimit }

// Run implements jobs.Runner.
func (u upload) Run(ctx context.Context, t *jobs.Task) (map[string]string, error) {
	file, err := diag(u).File(ctx) // waits for a pour to end
	if err != nil {
		return nil, err
	}
	if len(file) > api.MaxDiag {
		return nil, fmt.Errorf("the diagnostics have %d bytes, at most %d", len(file), api.MaxDiag)
	}
	client, err := u.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	document, pause := t.Document, jobs.RetryMin
	for tries := 1; ; tries++ {
		where, err := target(document)
		if err != nil {
			return nil, err
		}
		err = put(ctx, client, where, file)
		if err == nil {
			u.a.audit.note(byCloud(t), "diagnostics sent", "", "done")
			return map[string]string{"bytes": fmt.Sprint(len(file)), "tries": fmt.Sprint(tries)}, nil
		}
		var refused *refusedPut
		if errors.As(err, &refused) && refused.forGood() {
			return map[string]string{"tries": fmt.Sprint(tries)}, err
		}
		if serr := sleep(ctx, pause); serr != nil {
			return map[string]string{"tries": fmt.Sprint(tries)}, fmt.Errorf("%w: %w", serr, err)
		}
		pause = min(2*pause, jobs.RetryMax)
		if document, err = t.Fresh(ctx); err != nil { // the address may have expired meanwhile
			return map[string]string{"tries": fmt.Sprint(tries)}, err
		}
	}
}

// client trusts whom the link to the cloud trusts, and the system's roots: storage has other ones than IoT Core.
func (u upload) client() (*http.Client, error) {
	c := u.a.cloud
	ep, err := c.endpoints()
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if ep.CA != "" {
		b, err := os.ReadFile(ep.CA)
		if err != nil {
			return nil, fmt.Errorf("read the cloud's root: %w", err)
		}
		roots.AppendCertsFromPEM(b) // the link would not have come up with a bad one
	}
	return &http.Client{
		Timeout: uploadOne,
		Transport: &http.Transport{
			DialContext: c.dialer(), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Time: c.clock}, TLSHandshakeTimeout: 15 * time.Second,
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a signature is for one address
	}, nil
}

// refusedPut is an answer other than 2xx.
type refusedPut struct {
	status int
	body   string
}

// Error implements error. The address is a secret while it lives.
func (r *refusedPut) Error() string {
	return fmt.Sprintf("the storage answered %d %s: %s", r.status, http.StatusText(r.status), r.body)
}

// forGood tells whether no fresh address would help.
func (r *refusedPut) forGood() bool {
	return r.status == http.StatusNotFound || r.status == http.StatusMethodNotAllowed || r.status == http.StatusRequestEntityTooLarge || r.status/100 == 3
}

func put(ctx context.Context, client *http.Client, where string, file []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, where, bytes.NewReader(file))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // it holds the address
			err = u.Err
		}
		return fmt.Errorf("upload: %w", err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // only for the message
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &refusedPut{resp.StatusCode, string(bytes.ToValidUTF8(body, nil))}
}
