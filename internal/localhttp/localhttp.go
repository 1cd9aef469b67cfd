// Package localhttp guards every HTTP server of Fountain against pages the user did not open: a Host allow-list
// (DNS rebinding), cross-origin protection (a foreign page's POST), JSON-only bodies, and a token from the printed URL.
package localhttp

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strings"
	"syscall"

	"fountain/internal/problem"
)

// UnixHost is the Host that clients of a unix socket send.
const UnixHost = "fountain"

// Protect refuses requests whose Host is not a loopback name or one of allowedHosts (without port), and state-changing
// requests that a browser sends for another origin (Sec-Fetch-Site, Origin). It answers with problem+json, status 403.
//
// A GET or HEAD that a browser marks as cross-site, or whose Origin is foreign, is refused as well: nothing here is
// meant to be read or embedded by other sites. A plain link from another site (a navigation) stays allowed.
func Protect(h http.Handler, allowedHosts ...string) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { refuseOrigin(w, r) }))
	inner := cross.Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hostAllowed(r.Host, allowedHosts) {
			problem.Write(w, &problem.Problem{
				Code: problem.CodeForbidden, Where: "Host: " + r.Host, What: "this server does not answer to that name",
				Remedy: "open it by the URL it printed, or add the name to its allowed hosts",
			})
			return
		}
		if foreignRead(r) {
			refuseOrigin(w, r)
			return
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		inner.ServeHTTP(w, r)
	})
}

func refuseOrigin(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, &problem.Problem{
		Code: problem.CodeForbidden, Where: "Origin: " + r.Header.Get("Origin"),
		What: "a page of another origin may not talk to this machine", Remedy: "open the URL this server printed",
	})
}

// foreignRead tells whether a GET or HEAD comes from a page of another origin, navigation excepted.
func foreignRead(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false // CrossOriginProtection judges those
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return r.Header.Get("Sec-Fetch-Mode") != "navigate"
	}
	origin := r.Header.Get("Origin")
	return origin != "" && !strings.HasSuffix(origin, "://"+r.Host)
}

func hostAllowed(hostport string, allowed []string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return true
	}
	if host == "localhost" {
		return true
	}
	for _, a := range allowed {
		if strings.EqualFold(host, a) {
			return true
		}
	}
	return false
}

// JSONOnly refuses bodies that are not application/json and bodies above limit bytes. A form a foreign page submits
// can never carry that type without a preflight.
func JSONOnly(limit int64, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 && r.Method != http.MethodGet && r.Method != http.MethodHead {
			if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
				problem.Write(w, &problem.Problem{
					Code: problem.CodeUnsupported, Where: "Content-Type", What: "only application/json is read",
					Remedy: "send Content-Type: application/json",
				})
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		h.ServeHTTP(w, r)
	})
}

// NewToken returns a random token for a printed URL.
func NewToken() string { return rand.Text() }

// RequireToken lets in requests that carry the token: once as ?token=…, which sets a cookie named after the port,
// then by that cookie. An empty token lets everything in.
func RequireToken(token string, h http.Handler) http.Handler {
	if token == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := cookieName(r.Host)
		if t := r.URL.Query().Get("token"); t != "" && subtle.ConstantTimeCompare([]byte(t), []byte(token)) == 1 {
			http.SetCookie(w, &http.Cookie{Name: name, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			h.ServeHTTP(w, r)
			return
		}
		if c, err := r.Cookie(name); err == nil && subtle.ConstantTimeCompare([]byte(c.Value), []byte(token)) == 1 {
			h.ServeHTTP(w, r)
			return
		}
		problem.Write(w, &problem.Problem{
			Code: problem.CodeForbidden, Where: r.URL.Path, What: "this page needs the token of the printed URL",
			Remedy: "open the full URL that was printed at start, including ?token=…",
		})
	})
}

// cookieName keeps the tokens of two servers on one host apart: cookies know no ports.
func cookieName(host string) string {
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		port = "0"
	}
	return "fountain-" + port
}

// Listen opens a TCP listener and names the remedy when the address is in use or not ours. flag is the command's flag
// that sets the address, for the message.
func Listen(addr, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		return l, nil
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &problem.Problem{
			Code: problem.CodeAddrInUse, Where: flag + " " + addr, What: "address is already in use",
			Remedy: "stop the other program or choose another port (port 0 picks a free one)", Retry: true,
		}
	}
	return nil, &problem.Problem{
		Code: problem.CodeBadConfig, Where: flag + " " + addr, What: fmt.Sprintf("cannot listen: %v", err),
		Remedy: "give an address of this machine as host:port",
	}
}
