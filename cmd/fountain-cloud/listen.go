package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"fountain/internal/localhttp"
)

// listener is a port that is bound, and the names beside localhost under which it may be called.
type listener struct {
	l     net.Listener
	hosts []string
}

// local is how this machine reaches the port.
func (l listener) local() string {
	_, p, err := net.SplitHostPort(l.l.Addr().String())
	if err != nil {
		panic(err) // a TCP listener has a port
	}
	return "localhost:" + p
}

// listeners are all ports of the cloud, bound before anything is served.
type listeners struct{ mqtt, console, https, control listener }

func (f *serveFlags) listen() (*listeners, error) {
	ls := &listeners{}
	for _, want := range []struct {
		addr, flag string
		into       *listener
	}{{f.mqtt, "--mqtt", &ls.mqtt}, {f.http, "--http", &ls.console}, {f.https, "--https", &ls.https}, {f.control, "--control", &ls.control}} {
		l, err := localhttp.Listen(want.addr, want.flag)
		if err != nil {
			ls.close()
			return nil, err
		}
		*want.into = listener{l, hostsOf(want.addr)}
	}
	return ls, nil
}

func (ls *listeners) close() {
	for _, l := range []listener{ls.mqtt, ls.console, ls.https, ls.control} {
		if l.l != nil {
			_ = l.l.Close() // perhaps closed already
		}
	}
}

// endpoint answers DescribeEndpoint. Data and jobs are at the devices' HTTPS interface.
func (ls *listeners) endpoint(kind string) string {
	switch kind {
	case "iot:Data", "iot:Data-ATS", "iot:Jobs", "iot:CredentialProvider":
		return ls.https.local()
	}
	return ""
}

// hostsOf lists the names under which a listener may be called beside localhost.
func hostsOf(addr string) []string {
	var out []string
	if host, _, err := net.SplitHostPort(addr); err == nil && host != "" {
		out = append(out, host)
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			return out
		}
	}
	if name, err := os.Hostname(); err == nil { // open to the network: also by the machine's name
		out = append(out, name)
	}
	return out
}

// webServer is an HTTP server with its port.
type webServer struct {
	http.Server
	l net.Listener
}

func (s *server) web(l listener, h http.Handler) *webServer {
	return &webServer{l: l.l, Server: http.Server{
		Handler: localhttp.Protect(h, l.hosts...), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}}
}

// serve answers until Shutdown.
func (w *webServer) serve() (err error) {
	if w.TLSConfig != nil {
		err = w.ServeTLS(w.l, "", "")
	} else {
		err = w.Serve(w.l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
