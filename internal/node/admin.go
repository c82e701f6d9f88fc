package node

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	profiles "runtime/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ringtail/ringtail/internal/httpd"
)

// newAdmin serves the HTTP port: for people, probes and Prometheus. It is up before Kafka is,
// because that is when one wants to know what the node waits for.
func newAdmin(n *node, reg *prometheus.Registry) (*httpd.Server, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.Handle("GET /metrics", n.scrapes.count(promhttp.HandlerFor(reg, promhttp.HandlerOpts{DisableCompression: true})))
	mux.HandleFunc("GET /healthz", n.health)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ok, why := n.ready(); !ok {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, n.status()) })
	mux.HandleFunc("GET /history", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, n.history()) })
	mux.HandleFunc("GET /events", n.events.serve)
	mux.HandleFunc("GET /connections", n.events.serveConnections)
	if n.opt.Admin.Pprof {
		handleProfiles(mux)
	}
	o, watched, err := n.opt.Admin.access(n.env.Log)
	if err != nil {
		return nil, err
	}
	n.watched = append(n.watched, watched...)
	if o.Refused, err = registerRefused(reg); err != nil {
		return nil, err
	}
	// The log ends with the drained line, standard error itself would not.
	o.ErrorLog = slog.NewLogLogger(n.env.Log.Handler(), slog.LevelWarn)
	if n.inherited != nil { // until it is ready, the process before it responds
		o.Socket, o.Gate = n.adminSocket, n.adminGate
	}
	s, err := httpd.Serve(o, mux)
	if err != nil {
		return nil, admitting("--admin", o.Address, err)
	}
	if !s.Loopback() && o.Tokens == nil {
		n.env.Log.Warn("whoever reaches the admin port may read it; --admin-token-file has it ask for a token", "admin", s.URL())
	}
	return s, nil
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v)
}

// registerRefused returns what counts a refused request, by its reason.
func registerRefused(reg *prometheus.Registry) (func(reason string), error) {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ringtail_admin_requests_refused_total", Help: "Requests to the admin port that were refused.",
	}, []string{"reason"})
	for _, reason := range httpd.Reasons {
		refused.WithLabelValues(reason)
	}
	return func(reason string) { refused.WithLabelValues(reason).Inc() }, reg.Register(refused)
}

// handleProfiles serves what net/http/pprof does, but for the command line, which may hold a
// password (-X sasl.password=…), and for the index, which links to it.
func handleProfiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintln(w, "<title>Profiles</title>\n<a href=profile?seconds=30>profile</a><br>\n<a href=trace?seconds=5>trace</a><br>")
		for _, p := range profiles.Profiles() {
			_, _ = fmt.Fprintf(w, "<a href=%s?debug=1>%[1]s</a> %d<br>\n", p.Name(), p.Count())
		}
	})
	mux.HandleFunc("GET /debug/pprof/{name}", func(w http.ResponseWriter, r *http.Request) {
		pprof.Handler(r.PathValue("name")).ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // what go tool pprof does
}

// ready tells whether the node takes records and Kafka takes them from it; if not,
// why.
func (n *node) ready() (bool, string) {
	if why := n.phase.Load(); why != nil {
		return false, *why
	}
	return n.sink.ready()
}

// registerProcess registers what is about the process, not about records.
func registerProcess(reg *prometheus.Registry, version string) error {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ringtail_build_info", Help: "Always 1; the label tells the version.",
		ConstLabels: prometheus.Labels{"version": strings.TrimSpace(version)},
	})
	build.Set(1)
	for _, c := range []prometheus.Collector{
		build, &onceASecond{of: collectors.NewGoCollector(), now: time.Now},
		&onceASecond{of: collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), now: time.Now},
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}
