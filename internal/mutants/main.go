package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	only := flag.String("only", "", "only mutants whose file or rule contains this")
	verbose := flag.Bool("v", false, "show what the tests said where a mutant survived")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	survived, err := hunt(ctx, *only, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || survived > 0 {
		os.Exit(1)
	}
}

// hunt runs the tests on each mutant, and returns how many survived.
func hunt(ctx context.Context, only string, verbose bool) (survived int, err error) {
	all, err := readLists()
	if err != nil {
		return 0, err
	}
	limits := map[string]time.Duration{} // of tests that pass where nothing is changed
	n := 0
	for _, m := range all {
		if !strings.Contains(m.String(), only) {
			continue
		}
		key := m.dir() + m.args
		if limits[key] == 0 {
			begun := time.Now()
			if died, out, err := test(ctx, m, false, 20*time.Minute); err != nil || died != "" {
				return survived, errors.Join(fmt.Errorf("%s: tests fail without any change: %s\n%s", m.dir(), died, out), err)
			}
			limits[key] = time.Minute/2 + 4*time.Since(begun)
		}
		begun := time.Now()
		died, out, err := test(ctx, m, true, limits[key])
		if ctx.Err() != nil {
			return survived, ctx.Err()
		}
		n++
		took := time.Since(begun).Round(time.Second / 10)
		switch {
		case err != nil:
			survived++
			fmt.Printf("BROKEN    %s  (%v)\n%s", m, err, out)
		case died != "":
			fmt.Printf("killed    %s  (%s, %v)\n", m, died, took)
		default:
			survived++
			fmt.Printf("SURVIVED  %s  (%v)\n", m, took)
			if verbose {
				fmt.Print(out)
			}
		}
	}
	fmt.Printf("%d mutants, %d killed, %d survived\n", n, n-survived, survived)
	if n == 0 {
		return 0, fmt.Errorf("no mutant has %q in its file or rule", only)
	}
	return survived, nil
}

// test runs the tests of m's package, changed or not, and returns which of them died; "" if none did.
func test(ctx context.Context, m *mutant, changed bool, timeout time.Duration) (died, out string, err error) {
	args := []string{"test", "-count=1", "-short", "-failfast", "-vet=off", "-timeout", timeout.String()}
	if changed {
		dir, err := os.MkdirTemp("", "mutants")
		if err != nil {
			return "", "", err
		}
		defer os.RemoveAll(dir)
		overlay, err := m.overlay(dir, ".")
		if err != nil {
			return "", "", err
		}
		args = append(args, "-overlay", overlay)
	}
	args = append(args, strings.Fields(m.args)...) // packages stand behind all of go test's flags
	// On Ctrl-C go test ends what it started.
	c := exec.CommandContext(ctx, "go", append(args, "./"+m.dir())...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	b, err := c.CombinedOutput()
	out = string(b)
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", "", ctx.Err()
	case err == nil:
		return "", out, nil
	case !errors.As(err, &failed):
		return "", out, err
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return "", out, errors.New("does not compile")
	}
	return whoDied(out), out, nil
}

// overlay writes the changed file and what go's -overlay wants to know of it into dir.
func (m *mutant) overlay(dir, root string) (string, error) {
	text, err := m.apply(root)
	if err != nil {
		return "", err
	}
	from, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, filepath.Base(m.file))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {from: to}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	return list, errors.Join(os.WriteFile(to, []byte(text), 0o600), os.WriteFile(list, replace, 0o600))
}

var (
	failedTest  = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	runningTest = regexp.MustCompile(`(?m)^\s+(Test\S+|Fuzz\S+) \(\d`)
	lastWords   = regexp.MustCompile(`(?m)^(panic: |fatal error: |SIG|leaktest)[^\n]*`)
)

// whoDied names the test that failed, as far as the output of tests tells.
func whoDied(out string) string {
	if strings.Contains(out, "panic: test timed out") {
		if r := runningTest.FindStringSubmatch(out); r != nil {
			return r[1] + " never ended"
		}
	}
	if f := failedTest.FindAllStringSubmatch(out, -1); f != nil {
		return f[len(f)-1][1] // of a test and its parts, the part
	}
	if w := lastWords.FindString(out); w != "" {
		return w
	}
	return "tests failed"
}
