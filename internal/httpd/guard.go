package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/ringtail/ringtail/internal/tokens"
)

// The reasons for which a request is refused.
const (
	refusedHost        = "host"         // 421: a name that is not the port's
	refusedCrossOrigin = "cross_origin" // 403: a web page of somebody else would change something
	refusedToken       = "unauthorized" // 401
)

// Reasons are all of them.
var Reasons = []string{refusedHost, refusedCrossOrigin, refusedToken}

// guard lets those requests through to h that may be responded to, and says to browsers what they
// may do with a response: nothing, unless h says otherwise.
func (o *Options) guard(h http.Handler) http.Handler {
	hosts := o.hosts()
	var origin http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Cache-Control":                "no-store",
			"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy":              "no-referrer",
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
		} {
			w.Header().Set(name, value)
		}
		switch {
		case !isOneOf(hosts, r.Host):
			o.refuse(w, refusedHost, http.StatusMisdirectedRequest,
				"this port is not known by that name; ask for its IP address or localhost, or give the name with "+o.HostFlag)
		case origin.Check(r) != nil:
			o.refuse(w, refusedCrossOrigin, http.StatusForbidden, "not for pages of another origin")
		case o.Tokens != nil && !slices.Contains(o.Open, r.URL.Path) && !shows(r, o.Tokens.Get()):
			w.Header().Set("WWW-Authenticate", `Basic realm="ringtail"`) // a browser asks for a password then
			o.refuse(w, refusedToken, http.StatusUnauthorized, "a token is wanted: Authorization: Bearer TOKEN, or the token as password")
		default:
			h.ServeHTTP(w, r)
		}
	})
}

func (o *Options) refuse(w http.ResponseWriter, reason string, status int, text string) {
	if o.Refused != nil {
		o.Refused(reason)
	}
	http.Error(w, text, status)
}

// hosts are the names of the port. A web page can give its own name the address of this machine once
// it has been loaded (DNS rebinding), and would then read the port as its own; so a request has to
// say a name that nobody else can have. An IP address is always one.
func (o *Options) hosts() []string {
	hosts := append([]string{"localhost"}, o.Hosts...)
	if name, err := os.Hostname(); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	if name, _, err := net.SplitHostPort(o.Address); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	return hosts
}

// isOneOf tells whether a Host header, with or without port, is an IP address or one of the names.
// None at all is well: HTTP/1.0 probes send none, browsers always do.
func isOneOf(hosts []string, host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return true
	}
	return slices.ContainsFunc(hosts, func(name string) bool {
		return strings.EqualFold(strings.TrimSuffix(name, "."), strings.TrimSuffix(host, "."))
	})
}

// shows tells whether a request brings one of the tokens: as bearer or, since that is what a browser
// can do, as password of any user.
func shows(r *http.Request, set *tokens.Set) bool {
	token := ""
	if _, password, ok := r.BasicAuth(); ok {
		token = password
	} else if scheme, bearer, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(bearer)
	}
	_, known := set.Find([]byte(token))
	return known
}
