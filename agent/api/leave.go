package api

import (
	"context"
	"net/http"
	"time"
)

// Taking a unit out of service.
//
//	GET  /v1/service/decommission   Leaving
//	POST /v1/service/decommission   Decommission -> Leaving; refused while pours are on this unit only, or the cloud cannot
//	                                be told
//	POST /v1/service/recommission   Recommission -> Leaving: it may be claimed again, once the cloud has released its serial

// States of Leaving.
const (
	InService = "in_service"
	Leaves    = "leaving" // the cloud is being told
	Left      = "decommissioned"
)

// Leaving says whether a unit is in service.
type Leaving struct {
	State  string     `json:"state"`
	Thing  string     `json:"thing,omitempty"` // who it was
	By     string     `json:"by,omitempty"`
	At     *time.Time `json:"at,omitempty"`
	Unsent uint64     `json:"unsent"` // pours that only this unit has
}

// Decommission takes a unit out of service: its identity is wiped.
type Decommission struct {
	Person     string `json:"person"`
	KeepUnsent bool   `json:"keep_unsent,omitempty"` // although pours are on this unit only; they stay in the store
	Offline    bool   `json:"offline,omitempty"`     // although the cloud is not told
}

// Recommission lets a unit be claimed again.
type Recommission struct {
	Person string `json:"person"`
}

// Leaving tells whether the unit is in service.
func (c *Client) Leaving(ctx context.Context) (Leaving, error) {
	var l Leaving
	return l, c.do(ctx, c.plain, http.MethodGet, "/v1/service/decommission", nil, &l)
}

// Decommission takes the unit out of service.
func (c *Client) Decommission(ctx context.Context, in Decommission) (Leaving, error) {
	var l Leaving
	return l, c.do(ctx, c.plain, http.MethodPost, "/v1/service/decommission", in, &l)
}

// Recommission lets the unit be claimed again.
func (c *Client) Recommission(ctx context.Context, in Recommission) (Leaving, error) {
	var l Leaving
	return l, c.do(ctx, c.plain, http.MethodPost, "/v1/service/recommission", in, &l)
}
