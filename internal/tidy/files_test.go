package tidy

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the module's directory, seen from this package's.
const root = "../.."

// Limits of what one reader keeps in mind at a time.
const (
	fileLines     = 400
	functionLines = 70
)

// longFunctions may be longer, for the reason given.
var longFunctions = map[string]string{
	"codec/scan.go:scan":                                   "the single pass over a record: its states are its labels, and a call a state would cost more than the work",
	"bench/check_test.go:TestCheckerSees":                  "a table of everything that can be wrong",
	"internal/faults/soak/checker_test.go:TestCheckerSees": "the same, of what a soak may do wrong",
	"codec/decoder_test.go:TestState":                      "a table of streams, and what each decides",
}

// longFiles may be longer, for the reason given.
var longFiles = map[string]string{}

type goFile struct {
	name   string // slash-separated, from the root
	text   []byte
	test   bool
	fset   *token.FileSet
	syntax *ast.File
}

// goFiles parses every Go file of the module.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"bin", "dist", "testdata"}, d.Name())) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		files = append(files, goFile{filepath.ToSlash(rel), text, strings.HasSuffix(name, "_test.go"), fset, syntax})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("found %d Go files; the walk does not see the module", len(files))
	}
	return files
}

func TestFilesAreShort(t *testing.T) {
	for _, f := range goFiles(t) {
		if n := bytes.Count(f.text, []byte("\n")); n > fileLines && longFiles[f.name] == "" {
			t.Errorf("%s has %d lines, over %d: split it by subject", f.name, n, fileLines)
		}
	}
}

func TestFunctionsAreShort(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
			name := f.name + ":" + fn.Name.Name
			if n > functionLines {
				seen[name] = true
				if longFunctions[name] == "" {
					t.Errorf("%s has %d lines, over %d", name, n, functionLines)
				}
			}
		}
	}
	for name := range longFunctions {
		if !seen[name] {
			t.Errorf("%s is excepted and not long, or gone: take it off the list", name)
		}
	}
}

// TestNothingIsLeftOpen: what has to be done is done, or in docs/RISKS.md; and a
// test that does not run says nothing.
func TestNothingIsLeftOpen(t *testing.T) {
	marks := [][]byte{[]byte("TO" + "DO"), []byte("FIX" + "ME"), []byte("XX" + "X:")}
	for _, f := range goFiles(t) {
		for _, mark := range marks {
			if bytes.Contains(f.text, mark) {
				t.Errorf("%s contains %s", f.name, mark)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if ok && f.test && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				t.Errorf("%s:%d skips a test", f.name, f.fset.Position(call.Pos()).Line)
			}
			return true
		})
	}
}

// TestPackagesSayWhatTheyAre: each package has a comment.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	described := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		dir := filepath.Dir(f.name)
		described[dir] = described[dir] || f.syntax.Doc != nil
	}
	for dir, ok := range described {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}
