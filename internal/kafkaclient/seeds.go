package kafkaclient

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// Seeds are --brokers one by one, host:port each: librdkafka takes spaces between them,
// and a protocol before each; franz-go does not.
func Seeds(brokers string) []string {
	var list []string
	for b := range strings.SplitSeq(brokers, ",") {
		b = strings.TrimSpace(b)
		if _, address, ok := strings.Cut(b, "://"); ok {
			b = address
		}
		if b != "" {
			list = append(list, b)
		}
	}
	return list
}

// hostname is what may be a name or an address; whoever asks for it says whether it is one.
var hostname = regexp.MustCompile(`^[\pL\pN._:%-]+$`)

// schemes are what may stand before an address: librdkafka's security.protocol.
var schemes = regexp.MustCompile(`(?i)^\s*(sasl_)?(plaintext|ssl)$`)

// CheckSeeds returns an error about the first of --brokers that cannot be an address. It asks nobody.
func CheckSeeds(brokers string) error {
	for b := range strings.SplitSeq(brokers, ",") {
		if scheme, _, ok := strings.Cut(b, "://"); ok && !schemes.MatchString(scheme) {
			return fmt.Errorf("--brokers: %s is no host:port of Kafka; write it like kafka-1:9092,kafka-2:9092", strings.TrimSpace(b))
		}
	}
	seeds := Seeds(brokers)
	switch {
	case brokers == "":
		return fmt.Errorf("--brokers is missing; give host:port,…")
	case len(seeds) == 0:
		return fmt.Errorf("--brokers %q names none; give host:port,…", brokers)
	}
	for i, address := range withPorts(seeds) {
		host, port, err := net.SplitHostPort(address)
		n, portErr := strconv.Atoi(port)
		if err != nil || portErr != nil || n < 1 || n > 65535 || !hostname.MatchString(host) {
			return fmt.Errorf("--brokers: %s is no host:port; write it like kafka-1:9092,kafka-2:9092", seeds[i])
		}
	}
	return nil
}

// Resolve looks up the names of seeds, and returns why one is not known.
func Resolve(ctx context.Context, seeds []string) error {
	var endpoints []Endpoint
	for _, address := range withPorts(seeds) {
		endpoints = append(endpoints, Endpoint{Address: address, Broker: -1, Seed: true})
	}
	return first(each(ctx, endpoints, func(ctx context.Context, p Endpoint) error {
		host, _, err := net.SplitHostPort(p.Address)
		if err == nil {
			_, err = net.DefaultResolver.LookupHost(ctx, host)
		}
		return because(ctx, p, Security{}, err)
	}))
}
