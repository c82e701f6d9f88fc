package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// copyPackage copies the Python package: who builds it writes beside it.
func copyPackage(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../python")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPythonPackage: pip installs it, its types are right, and its own tests pass with what was
// installed.
func TestPythonPackage(t *testing.T) {
	source, installed := copyPackage(t), t.TempDir()
	for _, args := range [][]string{
		{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action", "ignore", "--target", installed, ".", "mypy==2.4.1"},
		{"-m", "mypy", "--cache-dir", t.TempDir()},
		{"-X", "dev", "-W", "error", "-m", "unittest", "discover", "--buffer", "--start-directory", "tests"},
		{"-m", "ringtail_client", "--help"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, "python3", args...)
		cmd.Dir = source
		cmd.Env = append(os.Environ(), "PYTHONPATH="+installed, "MYPYPATH=src:tests", "PIP_BREAK_SYSTEM_PACKAGES=1", "PYTHONDONTWRITEBYTECODE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("python3 %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	contents(t, filepath.Join(installed, "ringtail_client", "py.typed"))
}
