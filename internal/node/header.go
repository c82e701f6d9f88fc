package node

import (
	"strings"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/server"
)

// ParseHeaders reads the values of --header: NAME=WHAT.
func ParseHeaders(values []string) ([]server.Header, error) {
	var out []server.Header
	names := map[string]bool{}
	for _, value := range values {
		name, what, ok := strings.Cut(value, "=")
		h := server.Header{Name: name}
		switch what {
		case "address":
			h.Tell = server.TellAddress
		case "time":
			h.Tell = server.TellTime
		case "name":
			h.Tell = server.TellName
		default:
			ok = false
		}
		switch {
		case !ok:
			return nil, config.Usagef("--header %q: want NAME=WHAT, where WHAT is one of address, time, name", value)
		case name == "":
			return nil, config.Usagef("--header %q: the header has no name; give one, like remote=address", value)
		case names[name]:
			return nil, config.Usagef("--header %s: there is a header %s already; give each a name of its own", value, name)
		}
		names[name] = true
		out = append(out, h)
	}
	return out, nil
}
