package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"fountain/internal/localhttp"
)

// The pour buffer, for technicians.
//
//	GET  /v1/service/store                      StoreState
//	GET  /v1/service/store/pours?log=L&from=N   application/jsonl: records as they were stored; without a log all of them
//	GET  /v1/service/store/quarantine           application/jsonl: QuarantinedPour
//	POST /v1/service/store/release              ReleasePours -> Released: they are sent again
//	GET  /v1/service/store/backup               application/gzip: everything, with checksums; store.ReadBackup reads it
//
// A stream that cannot be finished is cut off: its end is never taken for the end of the document.

// StoreState is what the pour buffer holds and how it is.
type StoreState struct {
	Logs        []StoreLog    `json:"logs"` // oldest first; the last is current
	Pending     uint64        `json:"pending"`
	Segments    int           `json:"segments"`
	Quarantined int           `json:"quarantined"`
	Damages     []StoreDamage `json:"damages"` // found since the start
	Kept        int           `json:"kept"`    // damaged files kept aside
	Disk        StoreDisk     `json:"disk"`
}

// StoreLog is one log. Records from Oldest on are here; those up to Acked are in the cloud's ledger.
type StoreLog struct {
	Log     string     `json:"log"`
	Oldest  uint64     `json:"oldest"`
	Last    uint64     `json:"last"`
	Acked   uint64     `json:"acked"`
	Pending uint64     `json:"pending"`
	Current bool       `json:"current"`
	Gaps    []SeqRange `json:"gaps,omitempty"` // lost, above Acked
}

// SeqRange is a range of a log, both ends included.
type SeqRange struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// StoreDamage is one damaged file and what it cost.
type StoreDamage struct {
	File    string     `json:"file"` // where it is kept
	Log     string     `json:"log,omitempty"`
	Rescued uint64     `json:"rescued"`
	Lost    []SeqRange `json:"lost,omitempty"`
	What    string     `json:"what"`
}

// StoreDisk is the room for pours.
type StoreDisk struct {
	State      string `json:"state"` // ok | low | critical
	FreeBytes  uint64 `json:"free_bytes"`
	TotalBytes uint64 `json:"total_bytes"`
	Ballast    bool   `json:"ballast"`  // the reserve is untouched
	Refusing   bool   `json:"refusing"` // no pour begins
}

// QuarantinedPour is a record that the cloud refuses.
type QuarantinedPour struct {
	Log    string          `json:"log"`
	Seq    uint64          `json:"seq"`
	Reason string          `json:"reason"`
	At     time.Time       `json:"at"`
	Record json.RawMessage `json:"record,omitempty"` // as it was stored; absent: it was gone already
}

// ReleasePours asks for quarantined records to be sent again.
type ReleasePours struct {
	Log    string   `json:"log"`
	Seqs   []uint64 `json:"seqs,omitempty"` // none: all of the log
	Person string   `json:"person"`
}

// Released is how many were.
type Released struct {
	Released int `json:"released"`
}

// Store returns the state of the pour buffer.
func (c *Client) Store(ctx context.Context) (StoreState, error) {
	var s StoreState
	return s, c.do(ctx, c.plain, http.MethodGet, "/v1/service/store", nil, &s)
}

// StorePours writes the records of a log from seq from on to w, one a line; an empty log means all logs.
func (c *Client) StorePours(ctx context.Context, log string, from uint64, w io.Writer) error {
	q := url.Values{}
	if log != "" {
		q.Set("log", log)
	}
	if from > 0 {
		q.Set("from", strconv.FormatUint(from, 10))
	}
	path := "/v1/service/store/pours"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return c.download(ctx, path, w)
}

// StoreQuarantine writes what the cloud refuses to w, one QuarantinedPour a line.
func (c *Client) StoreQuarantine(ctx context.Context, w io.Writer) error {
	return c.download(ctx, "/v1/service/store/quarantine", w)
}

// ReleasePours has quarantined records sent again.
func (c *Client) ReleasePours(ctx context.Context, in ReleasePours) (Released, error) {
	var out Released
	return out, c.do(ctx, c.plain, http.MethodPost, "/v1/service/store/release", in, &out)
}

// StoreBackup writes a backup to w. It is whole only if the error is nil.
func (c *Client) StoreBackup(ctx context.Context, w io.Writer) error {
	return c.download(ctx, "/v1/service/store/backup", w)
}

// download copies a document of any length.
func (c *Client) download(ctx context.Context, path string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+localhttp.UnixHost+path, nil)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	if c.session != "" {
		req.Header.Set(SessionHeader, c.session)
	}
	resp, err := c.plain.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return readProblem(resp, path)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read answer of GET %s: %w", path, err)
	}
	return nil
}
