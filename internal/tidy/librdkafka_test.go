package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// librdkafkaPackage is the one whose C may name librdkafka's functions: they are declared by hand,
// so a second place would be one more that can be wrong.
const librdkafkaPackage = "producer/librdkafka"

// TestLibrdkafkaIsDeclaredOnce: whoever needs librdkafka's own functions goes through that package.
func TestLibrdkafkaIsDeclaredOnce(t *testing.T) {
	c := cFiles(t)
	for _, f := range goFiles(t) {
		c[f.name] = preamble(f.syntax)
	}
	ours := 0
	for name, text := range c {
		switch {
		case !namesLibrdkafka(text):
		case path.Dir(name) == librdkafkaPackage:
			ours++
		default:
			t.Errorf("%s has C that names librdkafka: declare and call it in %s", name, librdkafkaPackage)
		}
	}
	if ours < 3 {
		t.Errorf("in %s %d files were found whose C names librdkafka: the walk does not see them", librdkafkaPackage, ours)
	}
}

// cFiles are the C files of the module, by name.
func cFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !slices.Contains([]string{".c", ".cc", ".cpp", ".h", ".S"}, filepath.Ext(name)) {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		files[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// preamble is what cgo takes for C: the comment at the import of "C".
func preamble(file *ast.File) string {
	var b strings.Builder
	for _, d := range file.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.IMPORT {
			continue
		}
		for _, s := range decl.Specs {
			spec := s.(*ast.ImportSpec)
			if spec.Path.Value != `"C"` {
				continue
			}
			for _, group := range []*ast.CommentGroup{decl.Doc, spec.Doc} {
				if group == nil {
					continue
				}
				for _, c := range group.List {
					b.WriteString(c.Text)
				}
			}
		}
	}
	return b.String()
}

func namesLibrdkafka(c string) bool {
	return strings.Contains(c, "rd_kafka") || strings.Contains(c, "rdkafka")
}

func TestNamesLibrdkafka(t *testing.T) {
	for text, want := range map[string]bool{
		"package a\n\n// void rd_kafka_destroy(void *);\nimport \"C\"\n":                   true,
		"package a\n\n/*\nint rd_kafka_version(void);\n*/\nimport \"C\"\n":                 true,
		"package a\n\nimport (\n\t// #include <rdkafka.h>\n\t\"C\"\n)\n":                   true,
		"package a\n\n// #include \"../producer/librdkafka/librdkafka.h\"\nimport \"C\"\n": true,
		"package a\n\n// #include <stdlib.h>\nimport \"C\"\n\n// rd_kafka_new\n":           false,
		"// Package a is about rd_kafka_new.\npackage a\n\nimport \"C\"\n":                 false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "a.go", text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if got := namesLibrdkafka(preamble(file)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
