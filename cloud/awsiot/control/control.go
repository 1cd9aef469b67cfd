// Package control is the HTTP side of the imitation of AWS IoT Core: the control plane (iot), the data plane (iot-data)
// and the jobs data plane (iot-jobs-data), as the aws command and the AWS SDKs speak them, and the device's own HTTPS
// interface. It imports cloud/store, its siblings below awsiot, sync/wire and internal packages.
//
//	aws iot …, SDKs ──SigV4, HTTP or HTTPS──► Handler ──service of the credential scope──► routes ──┬─► store (registry)
//	unit ──HTTPS, client certificate──► DeviceHandler ──policy──────────────────────────► routes ──┼─► shadow, jobs
//	                                                                                               └─► broker (publish)
//
// Any SigV4 credentials are good: who asks from this machine is an administrator. Whoever asks from another one is
// refused, whatever address the port is bound to, and so are browsers. It owns no state.
package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/jobs"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/awsiot/provision"
	"fountain/cloud/awsiot/rules"
	"fountain/cloud/awsiot/shadow"
	"fountain/cloud/store"
)

// Broker is what HTTP needs of MQTT.
type Broker interface {
	Inject(ctx context.Context, certificateID string, m broker.Message) error
	Retained(ctx context.Context, topic string) (broker.Message, error)
	RetainedAfter(ctx context.Context, topic string, limit int) ([]broker.Message, error)
	Disconnect(clientID string, cleanSession, preventWill bool) bool
	Refresh(ctx context.Context, certificateIDs ...string) error
}

// Config of a Control.
type Config struct {
	Region, Account string
	ARN             string // "arn:aws:iot:REGION:ACCOUNT:"
	Store           store.Registry
	Authority       *authority.Authority
	Broker          Broker
	Provision       *provision.Service
	Shadows         *shadow.Service
	Jobs            *jobs.Service
	// Policies lists what decides about a certificate.
	Policies func(ctx context.Context, certificateID string) ([]*policy.Policy, error)
	Rules    map[string]*rules.Rule
	// Endpoint answers DescribeEndpoint: "host:port" for "iot:Data-ATS" and the like, empty for a type that is none.
	Endpoint func(kind string) string
	// Objects serves presigned URLs on the device's interface. May be nil.
	Objects http.Handler
	Log     *slog.Logger
}

// Control serves HTTP. Make it with New; it is safe for concurrent use.
type Control struct {
	cfg    Config
	planes map[string]*http.ServeMux // by the service in the credential scope
}

// Services as credential scopes name them.
const (
	planeControl  = "iot"
	planeData     = "iotdata"
	planeJobsData = "iot-jobs-data"
)

// New makes a Control.
func New(cfg Config) (*Control, error) {
	switch {
	case cfg.Store == nil, cfg.Authority == nil, cfg.Broker == nil, cfg.Provision == nil, cfg.Shadows == nil, cfg.Jobs == nil,
		cfg.Policies == nil, cfg.Endpoint == nil:
		return nil, errors.New("make control plane: a part is missing")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Control{cfg: cfg, planes: map[string]*http.ServeMux{}}
	for plane, routes := range c.routes() {
		mux := http.NewServeMux()
		for _, r := range routes {
			mux.Handle(r.method+" "+r.path, c.serve(r))
		}
		c.planes[plane] = mux
	}
	return c, nil
}

// Handler serves those on this machine, signed with SigV4 or not: without a signature the path says what they want.
func (c *Control) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromHere(r) {
			writeError(w, &failure{
				status: http.StatusForbidden, code: "AccessDeniedException",
				message: "signatures are not checked here, so the control plane answers on the machine it runs on only",
			})
			return
		}
		if mux := c.plane(r); mux != nil {
			mux.ServeHTTP(w, r)
			return
		}
		writeError(w, c.unserved(r, "UnknownOperationException", "there is no such operation here"))
	})
}

// unserved says why nobody serves a request: the data plane has a name for a path it knows by other methods only.
func (c *Control) unserved(r *http.Request, code, message string) *failure {
	other := *r
	for _, other.Method = range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		if _, pattern := c.planes[planeData].Handler(&other); pattern != "" {
			return &failure{
				status: http.StatusMethodNotAllowed, code: "MethodNotAllowedException",
				message: "The specified combination of HTTP verb and URI is not supported",
			}
		}
	}
	return &failure{status: http.StatusNotFound, code: code, message: message}
}

// fromHere tells whether a request comes over the loopback interface.
func fromHere(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

// plane finds who serves a request: by the credential scope, else by the path.
func (c *Control) plane(r *http.Request) *http.ServeMux {
	order := []string{planeControl, planeData, planeJobsData}
	switch scope(r) {
	case planeData:
		order = []string{planeData, planeJobsData, planeControl}
	case planeJobsData:
		order = []string{planeJobsData, planeData, planeControl}
	}
	for _, name := range order {
		if _, pattern := c.planes[name].Handler(r); pattern != "" {
			return c.planes[name]
		}
	}
	return nil
}

func (c *Control) describeEndpoint(r *request) (any, error) {
	kind := r.query("endpointType")
	if kind == "" {
		kind = "iot:Data"
	}
	a := c.cfg.Endpoint(kind)
	if a == "" {
		return nil, invalid("endpointType %q is none of this cloud's", kind)
	}
	return obj{"endpointAddress": a}, nil
}
