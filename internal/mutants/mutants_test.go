package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// root is the module's directory, seen from this package's.
const root = "../.."

// TestEveryMutantIsOne: each mutant's lines are in its file once, and what it makes of them compiles.
func TestEveryMutantIsOne(t *testing.T) {
	all, err := readLists()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 60 {
		t.Fatalf("%d mutants in the lists", len(all))
	}
	c := newChecker(t, all)
	for _, m := range all {
		text, err := m.apply(root)
		if err == nil && filepath.Ext(m.file) == ".go" {
			err = c.check(m, text)
		} else if err == nil {
			err = compile(m, text)
		}
		if err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
}

// compile compiles C.
func compile(m *mutant, text string) error {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	c := exec.Command(cc, "-fsyntax-only", "-I", filepath.Join(root, m.dir()), "-x", "c", "-")
	c.Stdin = strings.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// checker checks types as the compiler does, with what others export from the build cache: a package
// takes a few milliseconds, where go build takes seconds.
type checker struct {
	files  map[string][]string // by directory
	config types.Config
	fset   *token.FileSet
	parsed map[string]*ast.File // by path
}

func newChecker(t *testing.T, all []*mutant) *checker {
	args := []string{"list", "-deps", "-export", "-json=Dir,ImportPath,Export,GoFiles,CgoFiles"}
	for _, m := range all {
		args = append(args, "./"+m.dir())
	}
	c := exec.Command("go", args...)
	c.Dir, c.Stderr = root, os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	ch := &checker{files: map[string][]string{}, fset: token.NewFileSet(), parsed: map[string]*ast.File{}}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir, ImportPath, Export string
			GoFiles, CgoFiles       []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		ch.files[p.Dir] = append(p.GoFiles, p.CgoFiles...)
	}
	ch.config = types.Config{
		FakeImportC: true,
		Sizes:       types.SizesFor("gc", runtime.GOARCH),
		Importer: importer.ForCompiler(ch.fset, "gc", func(path string) (io.ReadCloser, error) {
			return os.Open(exports[path])
		}),
	}
	return ch
}

// check checks the package of m with its file changed to text.
func (c *checker) check(m *mutant, text string) error {
	dir, err := filepath.Abs(filepath.Join(root, m.dir()))
	if err != nil {
		return err
	}
	var files []*ast.File
	for _, name := range c.files[dir] {
		f, path := c.parsed[filepath.Join(dir, name)], filepath.Join(dir, name)
		if name == filepath.Base(m.file) {
			f, err = parser.ParseFile(c.fset, m.file, text, 0)
		} else if f == nil {
			f, err = parser.ParseFile(c.fset, path, nil, 0)
			c.parsed[path] = f
			for _, d := range f.Decls { // what nobody has changed
				if fn, ok := d.(*ast.FuncDecl); ok {
					fn.Body = nil
				}
			}
		}
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	err = nil
	config := c.config
	config.Error = func(e error) {
		// C's types are invalid ones.
		if err == nil && strings.HasPrefix(e.Error(), m.file) && !strings.Contains(e.Error(), "invalid type") {
			err = e
		}
	}
	_, _ = config.Check(m.dir(), c.fset, files, nil)
	return err
}

func TestParse(t *testing.T) {
	const list = `# A word about them.
args -run=A|B

a/b.go: nothing is lost: never
 	before
-	one
-	two
+	three

args
a/c.go: twice
-x
`
	all, err := parse(list)
	want := []mutant{
		{"a/b.go", "nothing is lost: never", " -run=A|B", "\tbefore\n\tone\n\ttwo\n", "\tbefore\n\tthree\n"},
		{"a/c.go", "twice", "", "x\n", ""},
	}
	if err != nil || len(all) != 2 || *all[0] != want[0] || *all[1] != want[1] {
		t.Errorf("%v: %v", all, err)
	}
	for _, bad := range []string{"a/b.go", "-one", "a/b.go: one\n-x\na/c.go: another\n-x", "arg x"} {
		if all, err := parse(bad); err == nil {
			t.Errorf("%q was taken for %v", bad, all)
		}
	}
}

func TestApply(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("a\nb\na\nc\nc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want, says string }{
		{"b\n", "B\n", "a\nB\na\nc\nc\n", ""},
		{"a\nb\n", "", "a\nc\nc\n", ""},
		{"a\n", "A\n", "", "twice"},
		{"c\n", "C\n", "", "twice"},
		{"d\n", "D\n", "", "not in the file"},
		{"b\n", "b\n", "", "nothing"},
		{"", "x\n", "", "nothing"},
	} {
		m := mutant{file: "f", rule: "r", old: c.old, new: c.new}
		got, err := m.apply(dir)
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q for %q: %q, %v", c.new, c.old, got, err)
		}
	}
}

// TestWhoDied: of whatever way tests end.
func TestWhoDied(t *testing.T) {
	for out, want := range map[string]string{
		"--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/b (0.1s)\nFAIL\n":                        "TestA/b",
		"panic: test timed out after 1m0s\n\trunning tests:\n\t\tTestB (1m0s)\n\ngoroutine 1": "TestB never ended",
		"panic: runtime error: index out of range [7]\n\ngoroutine":                           "panic: runtime error: index out of range [7]",
		"FAIL\tgithub.com/ringtail/ringtail/shard\t0.1s\n":                                    "tests failed",
	} {
		if got := whoDied(out); got != want {
			t.Errorf("%q of %q, want %q", got, out, want)
		}
	}
}
