package agent

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"fountain/internal/problem"
	"fountain/sync/mqttlink"
)

// endpointsEvery is how often the endpoints file is looked at while it is missing or may have changed.
const endpointsEvery = time.Second

// endpoints is where the cloud is, resolved from the configuration and the endpoints file.
type endpoints struct {
	MQTT      string `json:"mqtt"`
	CA        string `json:"ca"`
	ClaimCert string `json:"claim_cert"`
	ClaimKey  string `json:"claim_key"`
	Template  string `json:"template"`
}

// endpoints reads where the cloud is; CodeNotFound while the endpoints file is not there yet.
func (c *cloud) endpoints() (endpoints, error) {
	cfg := c.a.cfg.Config.Cloud
	ep := endpoints{MQTT: c.a.present.Load().Cloud.MQTT, CA: cfg.CA, ClaimCert: cfg.ClaimCert, ClaimKey: cfg.ClaimKey, Template: cfg.Template}
	if cfg.EndpointsFile != "" {
		b, err := os.ReadFile(cfg.EndpointsFile)
		if err != nil {
			return ep, &problem.Problem{
				Code: problem.CodeNotFound, Where: cfg.EndpointsFile, What: "the cloud has not written its endpoints yet",
				Remedy: "start fountain-cloud, or correct cloud.endpoints_file", Retry: true,
			}
		}
		var file endpoints
		if err := json.Unmarshal(b, &file); err != nil {
			return ep, &problem.Problem{Code: problem.CodeBadConfig, Where: cfg.EndpointsFile, What: fmt.Sprintf("this is no endpoints file: %v", err), Remedy: "name the endpoints.json of fountain-cloud serve in cloud.endpoints_file"}
		}
		for _, f := range []struct {
			into *string
			from string
		}{{&ep.MQTT, file.MQTT}, {&ep.CA, file.CA}, {&ep.ClaimCert, file.ClaimCert}, {&ep.ClaimKey, file.ClaimKey}, {&ep.Template, file.Template}} {
			if *f.into == "" {
				*f.into = f.from
			}
		}
	}
	if ep.MQTT == "" && cfg.EndpointsFile != "" {
		return ep, &problem.Problem{
			Code: problem.CodeBadConfig, Where: cfg.EndpointsFile, What: "the endpoints file names no mqtt",
			Remedy: "name the endpoints.json of fountain-cloud serve in cloud.endpoints_file, or set cloud.mqtt",
		}
	}
	if ep.MQTT == "" {
		return ep, &problem.Problem{
			Code: problem.CodeBadConfig, Where: "cloud.mqtt", What: "no cloud is named", Remedy: "set cloud.mqtt or cloud.endpoints_file, or cloud.enabled: false",
		}
	}
	return ep, nil
}

// addrs are the endpoints of the cloud, best first.
func (e endpoints) addrs() ([]string, error) {
	addrs, err := mqttlink.ParseAddrs(e.MQTT)
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: "cloud.mqtt", What: err.Error(), Remedy: "write host:port, several with commas, best first"}
	}
	return addrs, nil
}

// errMoved ends a session because the endpoints have changed.
var errMoved = errors.New("the cloud's address has changed")

func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil // the system's
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: file, What: fmt.Sprintf("cannot read the cloud's CA: %v", err), Remedy: "check cloud.ca"}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: file, What: "the file holds no PEM certificate", Remedy: "check cloud.ca"}
	}
	return roots, nil
}

// newList is a list of endpoints that has to prove itself before it counts.
type newList struct {
	mqtt  string
	reply func(error) // errUntried: nothing is known of it
}

// errUntried says that the session ended before a list of endpoints could prove itself.
var errUntried = errors.New("the session ended")

// watchEndpoints ends the session that began with ep when the cloud came back somewhere else, and tries new lists by its
// link. That ends the link's connection, so it is no work of one. Both are one's work: a list that has just proved itself
// is no move.
func (c *cloud) watchEndpoints(ctx context.Context, link *mqttlink.Link, ep endpoints, end context.CancelCauseFunc) {
	tick := time.NewTicker(endpointsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-c.lists:
			addrs, err := mqttlink.ParseAddrs(l.mqtt)
			if err == nil {
				err = link.Try(ctx, addrs)
			}
			if ctx.Err() != nil {
				err = errUntried
			}
			l.reply(err)
			if err == nil {
				ep.MQTT = l.mqtt // the session goes on
			}
		case <-tick.C:
			if now, err := c.endpoints(); err == nil && now != ep {
				end(errMoved)
				return
			}
		}
	}
}
