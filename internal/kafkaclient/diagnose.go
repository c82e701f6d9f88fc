package kafkaclient

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Diagnose finds out why Kafka cannot be used by whoever has these --brokers and this security: it goes
// to each of them, and, where one lets it in, to each broker that is advertised there, as far as
// a client goes before its first request. It returns what is in the way, *Cause of each
// address, or nil where nothing is.
//
//	--brokers ─► name ─► connection ─► TLS ─► versions ─► SASL ─► what is advertised ─► the same of each
func Diagnose(ctx context.Context, seeds []string, s Security) error {
	told, all, err := Bootstrap(ctx, seeds, s)
	if err != nil {
		return err
	}
	var endpoints []Endpoint
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if all[id] != told {
			endpoints = append(endpoints, EndpointOf(id, all[id], told, seeds))
		}
	}
	return first(each(ctx, endpoints, func(ctx context.Context, p Endpoint) error {
		_, err := greet(ctx, p.Address, s)
		return because(ctx, p, s, err)
	}))
}

// EndpointOf is a broker that told tells of.
func EndpointOf(id int32, address, told string, seeds []string) Endpoint {
	return Endpoint{Address: address, Broker: id, Told: told, Seed: slices.Contains(withPorts(seeds), address)}
}

// Bootstrap is Diagnose without what is advertised. It is an error where none of the seeds lets us in;
// else it returns which one did, and what brokers it tells of.
func Bootstrap(ctx context.Context, seeds []string, s Security) (told string, brokers map[int32]string, err error) {
	var mu sync.Mutex
	var endpoints []Endpoint
	for _, address := range withPorts(seeds) {
		endpoints = append(endpoints, Endpoint{Address: address, Broker: -1, Seed: true})
	}
	let := false
	errs := each(ctx, endpoints, func(ctx context.Context, p Endpoint) error {
		all, err := greet(ctx, p.Address, s)
		if err != nil {
			return because(ctx, p, s, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if let = true; brokers == nil {
			told, brokers = p.Address, all
		}
		return nil
	})
	if let {
		return told, brokers, nil
	}
	return "", nil, first(errs)
}

// Connect returns how many of these endpoints are Kafka's, and why others are not. It does not ask who
// they are, and does not log in: that is between them and whoever will write or read.
func Connect(ctx context.Context, endpoints []Endpoint, s Security) (reached int, err error) {
	if s.TLS != nil {
		s.TLS = &tls.Config{InsecureSkipVerify: true, Certificates: s.TLS.Certificates}
	}
	errs := each(ctx, endpoints, func(ctx context.Context, p Endpoint) error {
		return because(ctx, p, s, knock(ctx, p.Address, s))
	})
	for _, err := range errs {
		if err == nil {
			reached++
		}
	}
	return reached, first(errs)
}

func because(ctx context.Context, p Endpoint, s Security, err error) error {
	if err == nil {
		return nil
	}
	return Explain(ctx, p, s, err)
}

// each asks all endpoints at once, and returns their errors in order.
func each(ctx context.Context, endpoints []Endpoint, f func(context.Context, Endpoint) error) []error {
	errs := make([]error, len(endpoints))
	var asking sync.WaitGroup
	for i, p := range endpoints {
		asking.Go(func() { errs[i] = f(ctx, p) })
	}
	asking.Wait()
	return errs
}

// causesMax is how many addresses are named in one line.
const causesMax = 3

// several are causes in one line.
type several []error

func (s several) Error() string {
	var text []string
	for _, err := range s[:min(len(s), causesMax)] {
		text = append(text, err.Error())
	}
	if len(s) > causesMax {
		text = append(text, "and others")
	}
	return strings.Join(text, "; ")
}

func (s several) Unwrap() []error { return s }

// first are the causes among errs, nil if there are none.
func first(errs []error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return several(errs)
}

// defaultPort is what every client takes for one that is not written.
const defaultPort = "9092"

func withPorts(seeds []string) (all []string) {
	for _, s := range seeds {
		var missing *net.AddrError
		_, _, err := net.SplitHostPort(s)
		if _, noAddress := netip.ParseAddr(s); noAddress == nil || errors.As(err, &missing) && missing.Err == "missing port in address" {
			s = net.JoinHostPort(strings.Trim(s, "[]"), defaultPort)
		}
		all = append(all, s)
	}
	return all
}
