package kafkatest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

// NewTLS is Options.TLS for certificates that deploy/kafka.sh makes: see Cluster.File.
const NewTLS = "new"

func securityArgs(o Options) (args []string) {
	if o.TLS != "" {
		args = append(args, "--tls", o.TLS)
	}
	if o.SASL != "" {
		args = append(args, "--sasl", o.SASL)
	}
	if o.ACL {
		args = append(args, "--acl")
	}
	for _, u := range o.Users {
		args = append(args, "--user", u)
	}
	for _, l := range o.Listeners {
		args = append(args, "--listener", l)
	}
	return args
}

// more are the addresses of Options.Listeners.
func more(base int, o Options) map[string]string {
	all := map[string]string{}
	for k, name := range o.Listeners {
		var addresses []string
		for i := range o.Brokers {
			addresses = append(addresses, fmt.Sprint("localhost:", base+(3+k)*o.Brokers+i))
		}
		all[name] = strings.Join(addresses, ",")
	}
	return all
}

// At is what a Kafka client takes as its list of brokers to come by one of Options.Listeners.
func (c *Cluster) At(listener string) string {
	c.tb.Helper()
	if c.listeners[listener] == "" {
		c.tb.Fatalf("kafkatest: there is no listener %s", listener)
	}
	return c.listeners[listener]
}

// File is one of those that deploy/kafka.sh makes with NewTLS: ca.pem, client.pem, client.key,
// client.p12, broker.pem.
func (c *Cluster) File(name string) string { return filepath.Join(c.dir, "tls", name) }

// Certify makes another certificate for the brokers, by whom clients trust, and returns its file.
func (c *Cluster) Certify() string {
	c.tb.Helper()
	if err := script("certify", "--dir", c.dir); err != nil {
		c.tb.Fatalf("kafkatest: %v", err)
	}
	text, err := os.ReadFile(c.File("broker.pem"))
	if err == nil {
		err = os.WriteFile(c.File("another.pem"), text, 0o600)
	}
	if err != nil {
		c.tb.Fatalf("kafkatest: %v", err)
	}
	return c.File("another.pem")
}

// SetCertificate has the brokers show another certificate to whoever connects to one of
// Options.Listeners from now on. What is connected stays so.
func (c *Cluster) SetCertificate(listener, file string) {
	c.tb.Helper()
	key := "listener.name." + strings.ToLower(listener) + ".ssl.keystore.location"
	c.admin("set a certificate", func(ctx context.Context, admin *kadm.Client) error {
		var ids []int32
		for _, b := range c.brokers {
			ids = append(ids, int32(b.id))
		}
		answers, err := admin.AlterBrokerConfigs(ctx, []kadm.AlterConfig{{Name: key, Value: &file}}, ids...)
		if err != nil {
			return err
		}
		for _, answer := range answers {
			if answer.Err != nil {
				return fmt.Errorf("%w: %s", answer.Err, answer.ErrMessage)
			}
		}
		return nil
	})
}

// SetPassword sets the password of an account for SCRAM-SHA-512. Who is logged in stays so, until
// connections.max.reauth.ms are over.
func (c *Cluster) SetPassword(user, password string) {
	c.tb.Helper()
	c.admin("set a password", func(ctx context.Context, admin *kadm.Client) error {
		answers, err := admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: user, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}})
		if err != nil {
			return err
		}
		return answers.Error()
	})
}

// GrantAll lets User do everything.
func (c *Cluster) GrantAll() {
	c.tb.Helper()
	c.allow(everything())
}

// RevokeAll takes what GrantAll gave.
func (c *Cluster) RevokeAll() {
	c.tb.Helper()
	c.admin("revoke all", func(ctx context.Context, admin *kadm.Client) error {
		results, err := admin.DeleteACLs(ctx, ofUser(everything()))
		for _, result := range results {
			err = cmp.Or(err, result.Err)
		}
		return err
	})
}

func everything() *kadm.ACLBuilder {
	return kadm.NewACLs().Topics("*").Groups("*").TransactionalIDs("*").Clusters().Operations(kadm.OpAll)
}
