package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logged are the directories whose lines are a server's log.
var logged = regexp.MustCompile(`^(server|shard|producer|cmd/ringtail|internal/(node|certs|tokens|reload|httpd|embedded))/`)

// logKeyRow is a row of CONTRIBUTING.md's table of keys.
var logKeyRow = regexp.MustCompile("(?m)^\\| (`[a-z_]+`(?:, `[a-z_]+`)*) \\| ")

// logKeys reads the table.
func logKeys(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| key | of |")
	table, _, _ = strings.Cut(table, "\n\n")
	keys := map[string]bool{}
	for _, row := range logKeyRow.FindAllStringSubmatch(table, -1) {
		for key := range strings.SplitSeq(row[1], ", ") {
			keys[strings.Trim(key, "`")] = true
		}
	}
	if len(keys) < 20 {
		t.Fatalf("%d keys were read from CONTRIBUTING.md", len(keys))
	}
	return keys
}

// TestLogKeysAreOfTheTable: the same thing has the same key in every line of the log, and the table has no
// key that no line has.
func TestLogKeysAreOfTheTable(t *testing.T) {
	known := logKeys(t)
	used := map[string]bool{}
	for _, f := range goFiles(t) {
		if !logged.MatchString(f.name) || strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		for _, key := range keysIn(f.syntax) {
			name, _ := strconv.Unquote(key.Value)
			if used[name] = true; !known[name] {
				t.Errorf("%s:%d: the log's key %q is not in CONTRIBUTING.md's table", f.name, f.fset.Position(key.Pos()).Line, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !used[name] {
			t.Errorf("no line of the log has the key %q, which CONTRIBUTING.md's table has", name)
		}
	}
}

// levels are the functions that write a line, with the number of arguments before their keys.
var levels = map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0, "Log": 3, "warn": 2, "closed": 2}

// keysIn returns the keys of the lines that code writes: of calls, and of lists of arguments that are
// made for one.
func keysIn(code ast.Node) (keys []*ast.BasicLit) {
	pairs := func(args []ast.Expr) {
		for i := 0; i+1 < len(args); i += 2 {
			if lit, ok := args[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				keys = append(keys, lit)
			}
		}
	}
	ast.Inspect(code, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			var before int
			switch f := n.Fun.(type) {
			case *ast.SelectorExpr:
				at, ok := levels[f.Sel.Name]
				if !ok {
					return true
				}
				before = at
			case *ast.Ident:
				if f.Name != "append" {
					return true
				}
				list, ok := n.Args[0].(*ast.Ident)
				if !ok || list.Name != "args" && list.Name != "line" {
					return true
				}
				before = 1
			default:
				return true
			}
			pairs(n.Args[min(before, len(n.Args)):])
		case *ast.CompositeLit:
			if list, ok := n.Type.(*ast.ArrayType); ok {
				if id, ok := list.Elt.(*ast.Ident); ok && id.Name == "any" {
					pairs(n.Elts)
				}
			}
		}
		return true
	})
	return keys
}

// TestKeysIn: a key is found wherever a line is made.
func TestKeysIn(t *testing.T) {
	code := `package p
func f() {
	log.Warn("m", "a", 1, "b", 2)
	w.warn("m", "", "c", 3)
	args := append([]any{"d", 4}, rest...)
	line = append(line, "f", 6)
	names = append(names, "no", "key")
	f()
	log.With("e", 5).Info("m")
	log.Info("no keys")
	names := []string{"no", "key"}
}`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", code, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, key := range keysIn(file) {
		got = append(got, key.Value)
	}
	slices.Sort(got)
	if want := []string{`"a"`, `"b"`, `"c"`, `"d"`, `"e"`, `"f"`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
