package tidy

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// retiredWord is a word that names nothing any more, in the directories given; none: in all.
type retiredWord struct {
	word  string
	where []string
	alone bool // "dead letter" is one word
}

// retiredRow is a row of CONTRIBUTING.md's table: words, where, and what to say.
var retiredRow = regexp.MustCompile(`(?m)^\| ([a-z, ]+?)( \(alone\))? \| (everywhere|[a-z, ]+) \| .* \|$`)

// retiredWords reads the table.
func retiredWords(t *testing.T) []retiredWord {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| retired | where | say |")
	if !found {
		t.Fatal("CONTRIBUTING.md has no table of retired words")
	}
	var words []retiredWord
	for _, row := range retiredRow.FindAllStringSubmatch(table, -1) {
		w := retiredWord{alone: row[2] != ""}
		if row[3] != "everywhere" {
			w.where = strings.Split(row[3], ", ")
		}
		for word := range strings.SplitSeq(row[1], ", ") {
			w.word = word
			words = append(words, w)
		}
	}
	if len(words) < 30 {
		t.Fatalf("%d retired words were read from CONTRIBUTING.md", len(words))
	}
	return words
}

// TestWordsAreUsedInOneMeaning: retired words name nothing that this project declares.
func TestWordsAreUsedInOneMeaning(t *testing.T) {
	words := retiredWords(t)
	for _, f := range goFiles(t) {
		for _, id := range declared(f.syntax) {
			if w := retired(id.Name, f.name, words); w != "" {
				t.Errorf("%s:%d: %s: %q is retired, see CONTRIBUTING.md", f.name, f.fset.Position(id.Pos()).Line, id.Name, w)
			}
		}
	}
}

// retired returns the retired word in a name that a file declares, "" if it has none.
func retired(name, file string, words []retiredWord) string {
	in := camelWords(name)
	for _, w := range words {
		if w.where != nil && !slices.ContainsFunc(w.where, func(dir string) bool { return strings.HasPrefix(file, dir+"/") }) {
			continue
		}
		for i, word := range in {
			if word == w.word && !(w.alone && i > 0 && in[i-1] == "dead") {
				return w.word
			}
		}
	}
	return ""
}

var camelWord = regexp.MustCompile(`[A-Z]+[a-z0-9]*|[a-z0-9]+`)

// camelWords splits deadLetterLimit into dead, letter, limit.
func camelWords(name string) []string {
	words := camelWord.FindAllString(name, -1)
	for i, w := range words {
		words[i] = strings.ToLower(w)
	}
	return words
}

// TestNoNameHidesAnother: a local that is called like a constant or variable of its package hides it,
// and a reader takes one for the other. Tests may.
func TestNoNameHidesAnother(t *testing.T) {
	global := map[string]map[string]bool{} // by directory
	for _, f := range goFiles(t) {
		dir := filepath.Dir(f.name)
		if global[dir] == nil {
			global[dir] = map[string]bool{}
		}
		for _, d := range f.syntax.Decls {
			if g, ok := d.(*ast.GenDecl); ok && !f.test {
				for _, spec := range g.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						for _, id := range v.Names {
							global[dir][id.Name] = id.Name != "_"
						}
					}
				}
			}
		}
	}
	for _, f := range goFiles(t) {
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || f.test {
				continue
			}
			for _, id := range declared(fn)[1:] {
				if global[filepath.Dir(f.name)][id.Name] {
					t.Errorf("%s:%d: %s hides the package's", f.name, f.fset.Position(id.Pos()).Line, id.Name)
				}
			}
		}
	}
}

// declared returns the names that a piece of code declares, locals and fields included.
func declared(code ast.Node) (names []*ast.Ident) {
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if id, ok := e.(*ast.Ident); ok {
				names = append(names, id)
			}
		}
	}
	ast.Inspect(code, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			names = append(names, n.Name)
		case *ast.TypeSpec:
			names = append(names, n.Name)
		case *ast.Field:
			names = append(names, n.Names...)
		case *ast.ValueSpec:
			names = append(names, n.Names...)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				add(n.Lhs...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				add(n.Key, n.Value)
			}
		}
		return true
	})
	return names
}

func TestRetired(t *testing.T) {
	words := []retiredWord{{word: "letter", alone: true}, {word: "held", where: []string{"shard"}}}
	for name, want := range map[string]string{
		"letterLimit": "letter", "lastLetter": "letter", "deadLetterLimit": "", "DeadLetter": "", "unheld": "", "bytesHeld": "held",
	} {
		if got := retired(name, "shard/ring.go", words); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := retired("bytesHeld", "bench/load.go", words); got != "" {
		t.Errorf("%q is retired in shard only", got)
	}
}
