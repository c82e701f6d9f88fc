package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/conformance"
)

type conformanceCmd struct {
	Exec    string          `placeholder:"COMMAND" help:"The client: words with spaces between. {address} becomes the server's address, or an argument for each; {token-file} and {tls-ca} name files."`
	List    bool            `help:"Print the cases, and do nothing."`
	Only    []string        `placeholder:"NAME" help:"Only this case. Repeatable."`
	Timeout config.Duration `default:"1m" help:"How long the client may take for a case."`
}

// Help is shown under the flags' list.
func (*conformanceCmd) Help() string {
	return `For clients of serve --ack kafka; it needs no Kafka. The client sends each line of its standard input as a record, prints a line "rejected K REASON" for each record that was rejected, and ends with 0 when all are done. Where the server does not ack, or refuses the token, it ends with another code and a line on standard error. Prints a line a case; exit code 1 if one has failed.

Examples:

    ringtail conformance --exec './my-client {address}'
    ringtail conformance --exec './my-client --token-file {token-file} --tls-ca {tls-ca} {address}'`
}

// Run runs all cases, some at a time.
func (c *conformanceCmd) Run(p *process) error {
	cases := conformance.Cases()
	if len(c.Only) > 0 {
		all := cases
		cases = nil
		for _, name := range c.Only {
			before := len(cases)
			for _, k := range all {
				if k.Name == name {
					cases = append(cases, k)
				}
			}
			if len(cases) == before {
				return config.Usagef("--only %q is no case; see --list", name)
			}
		}
	}
	if c.List {
		for _, k := range cases {
			fmt.Fprintf(p.Out, "%-17s %s\n", k.Name, k.What)
		}
		return nil
	}
	command := strings.Fields(c.Exec)
	if !strings.Contains(" "+c.Exec+" ", " {address} ") {
		return config.Usagef("--exec needs a word {address}, for example --exec './my-client {address}'")
	}
	ctx, cancel := p.context()
	defer cancel()
	return c.try(ctx, p, cases, command)
}

func (c *conformanceCmd) try(ctx context.Context, p *process, cases []conformance.Case, command []string) error {
	const atOnce = 4
	results, turns := make([]chan error, len(cases)), make(chan struct{}, atOnce)
	var all sync.WaitGroup
	defer all.Wait()
	for i := range cases {
		results[i] = make(chan error, 1)
		if cases[i].Needs(command) != "" {
			continue
		}
		all.Go(func() {
			turns <- struct{}{}
			results[i] <- c.one(ctx, &cases[i], command)
			<-turns
		})
	}
	failed := 0
	for i, k := range cases {
		if lacks := k.Needs(command); lacks != "" {
			fmt.Fprintf(p.Out, "left out  %s: --exec has no %s\n", k.Name, lacks)
			continue
		}
		if err := <-results[i]; err != nil {
			failed++
			fmt.Fprintf(p.Out, "failed    %s: %v\n", k.Name, err)
			continue
		}
		fmt.Fprintf(p.Out, "ok        %s\n", k.Name)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d cases failed", failed, len(cases))
	}
	return nil
}

func (c *conformanceCmd) one(ctx context.Context, k *conformance.Case, command []string) (err error) {
	dir, err := os.MkdirTemp("", "ringtail-conformance")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.Timeout))
	defer cancel()
	return k.Run(ctx, command, dir)
}
