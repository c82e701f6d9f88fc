package node

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/ringtail/ringtail/server"
)

// connections is what /connections returns.
type connections struct {
	Open        int                 `json:"open"`
	Limit       int                 `json:"limit"`       // most that may be open
	Connections []server.Connection `json:"connections"` // those with the highest rates first
}

// connections returns those that are asked for.
func (n *node) connections(q server.ConnectionQuery) connections {
	c := connections{Connections: []server.Connection{}}
	if s := n.server.Load(); s != nil {
		st := s.Stats()
		c.Open, c.Limit = st.Connections, st.ConnectionsMax
		c.Connections = append(c.Connections, s.Connections(q)...)
	}
	return c
}

// serveConnections serves /connections?search=&id=&limit=.
func (e *events) serveConnections(w http.ResponseWriter, r *http.Request) {
	q, err := connectionQuery(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answerJSON(w, e.connections(q))
}

func connectionQuery(r *http.Request) (q server.ConnectionQuery, err error) {
	form := r.URL.Query()
	q = server.ConnectionQuery{Search: form.Get("search"), Limit: server.ConnectionsDefault}
	if text := form.Get("id"); text != "" {
		if q.ID, err = strconv.ParseUint(text, 10, 64); err != nil {
			return q, fmt.Errorf("?id=%q is no connection's; a number", text)
		}
	}
	if text := form.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > server.ConnectionsMost {
			return q, fmt.Errorf("?limit=%q must be a number from 1 to %d", text, server.ConnectionsMost)
		}
	}
	return q, nil
}
