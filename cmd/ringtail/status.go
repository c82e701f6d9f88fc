package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/tokens"
	"github.com/ringtail/ringtail/internal/verdict"
)

type statusCmd struct {
	URL       string `arg:"" optional:"" default:"http://127.0.0.1:9888" help:"The server's admin port, as its line \"ringtail: ready\" has it."`
	Watch     bool   `xor:"watch" help:"Look once a second until a signal: on a terminal the same place again, else a line each time."`
	JSON      bool   `name:"json" xor:"json" help:"Print what /status returns."`
	Health    bool   `xor:"watch,json" help:"Ask /healthz alone: is the process well? It is while Kafka is away, or nobody sends. For a container's health check."`
	TokenFile string `placeholder:"FILE" help:"The server has --admin-token-file; the first token of this one is shown."`
	TLSCA     string `name:"tls-ca" placeholder:"FILE" help:"With https://: the certificates to trust, in PEM. Default: those that the system trusts."`
}

// Help is shown under the flags' list.
func (*statusCmd) Help() string {
	return `The first line is the verdict: OK, SLOW, STUCK, CLIENTS, STARTING or DRAINING, and why; the second what to do. Of the shards those are shown that something is the matter with. Exit code 0 for OK, else 1.

Examples:

    ringtail status
    ringtail status --watch
    ringtail status --json http://ringtail-2.example.org:9888
    ringtail status --token-file admin.tokens --tls-ca ca.pem https://ringtail.example.org:9888`
}

// errNotOK says that the verdict, which has been printed, is not OK.
var errNotOK = errors.New("not OK")

// Run asks once, or once a second.
func (c *statusCmd) Run(p *process) error {
	a, err := c.asker()
	if err != nil {
		return config.Usagef("%w", err)
	}
	if c.Watch {
		return c.watch(p, a)
	}
	defer p.untilSignal()()
	if c.Health {
		text, err := a.get(context.Background())
		if err == nil {
			_, err = p.Out.Write(text)
		}
		return err
	}
	text, s, err := a.ask(context.Background())
	if err == nil {
		err = c.print(p.Out, text, s)
	}
	return err
}

// print prints an answer, and returns errNotOK where the verdict is another.
func (c *statusCmd) print(w io.Writer, text []byte, s *serverStatus) error {
	if !c.JSON {
		text = []byte(s.text())
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return s.exit()
}

// exit is the end that a verdict stands for.
func (s *serverStatus) exit() error {
	if s.Verdict.State != verdict.OK {
		return errNotOK
	}
	return nil
}

// watchEvery is how often --watch looks.
const watchEvery = time.Second

// watch looks until a signal; the last look is the end.
func (c *statusCmd) watch(p *process, a *adminAsker) error {
	ctx, cancel := p.context()
	defer cancel()
	screen := newScreen(p.Out)
	var last error
	for {
		text, s, err := a.ask(ctx)
		if ctx.Err() != nil {
			return last
		}
		switch {
		case err != nil:
			last, err = err, screen.show(time.Now(), "GONE: "+err.Error(), "")
		case c.JSON:
			last = s.exit()
			var line bytes.Buffer
			_ = json.Compact(&line, text) // it was decoded
			_, err = fmt.Fprintln(p.Out, line.String())
		default:
			last, err = s.exit(), screen.show(time.Now(), s.line(), s.text())
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(watchEvery):
		case <-ctx.Done():
			return last
		}
	}
}

// adminAsker asks an admin port.
type adminAsker struct {
	url   string // of /status, or of what else is asked
	shown string // the URL for people
	token string
	http  http.Client
}

// askLimit is how long a server may take for its answer.
const askLimit = 5 * time.Second

func (c *statusCmd) asker() (*adminAsker, error) {
	text := c.URL
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no URL of an admin port; want one like http://127.0.0.1:9888", c.URL)
	}
	if c.TLSCA != "" && u.Scheme != "https" {
		return nil, fmt.Errorf("--tls-ca is for https://, and %s is not", text)
	}
	trust, err := certs.ClientFiles{CA: c.TLSCA}.Config()
	if err != nil {
		return nil, err
	}
	path := "status"
	if c.Health {
		path = "healthz"
	}
	a := &adminAsker{url: u.JoinPath(path).String(), shown: u.Redacted()}
	a.http.Transport = &http.Transport{TLSClientConfig: trust, Proxy: http.ProxyFromEnvironment, DisableKeepAlives: !c.Watch}
	a.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.TokenFile != "" {
		if a.token, err = tokens.First(c.TokenFile); err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
	}
	return a, nil
}

// ask returns what /status says, as it is and decoded.
func (a *adminAsker) ask(ctx context.Context) ([]byte, *serverStatus, error) {
	text, err := a.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	s := &serverStatus{}
	if json.Unmarshal(text, s) != nil || s.Verdict.State == "" {
		return nil, nil, fmt.Errorf("%s answers, but is no admin port of a ringtail that has verdicts", a.shown)
	}
	return text, s, nil
}

// get returns what is said at the URL.
func (a *adminAsker) get(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	answer, err := a.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be reached: %s", a.shown, whyUnreached(err))
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: its answer broke off: %w", a.shown, err)
	case answer.StatusCode == http.StatusUnauthorized && a.token == "":
		return nil, fmt.Errorf("%s wants a token; give --token-file", a.shown)
	case answer.StatusCode == http.StatusUnauthorized:
		return nil, fmt.Errorf("%s refuses the token of --token-file", a.shown)
	case answer.StatusCode == http.StatusBadRequest && strings.Contains(string(text), "HTTPS"):
		return nil, fmt.Errorf("%s speaks HTTPS; ask https://", a.shown)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answers %s: %s", a.shown, answer.Status, firstLine(text))
	}
	return text, nil
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line[:min(len(line), 200)]
}

// whyUnreached is the cause at the bottom of an error of net/http, and what to do about it.
func whyUnreached(err error) string {
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var op *net.OpError
	var outer *url.Error
	timedOut := errors.As(err, &outer) && outer.Timeout()
	switch {
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority; name that in --tls-ca"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak HTTPS; ask http://"
	case timedOut:
		return fmt.Sprintf("no answer within %s", config.Duration(askLimit))
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Sprintf("%v; is a ringtail running there, with this --admin?", op.Err)
	case outer != nil:
		return outer.Err.Error()
	}
	return err.Error()
}
