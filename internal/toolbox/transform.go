package toolbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"github.com/ringtail/ringtail/internal/config"
)

// transform computes a new record of an old one: --expr, with the record's
// top-level fields as variables. Not for concurrent use.
type transform struct {
	program *vm.Program
	machine vm.VM
}

func newTransform(source string) (*transform, error) {
	if strings.TrimSpace(source) == "" {
		return nil, config.Usagef("--expr is missing; for example '{id: id, double: value * 2}'")
	}
	// Which fields there are is only known record by record.
	program, err := expr.Compile(source, expr.Env(map[string]any{}), expr.AllowUndefinedVariables())
	if err != nil {
		return nil, config.Usagef("--expr: %w", err)
	}
	calls := new(unknownCall)
	node := program.Node()
	if ast.Walk(&node, calls); calls.name != "" {
		return nil, config.Usagef("--expr: there is no function %s", calls.name)
	}
	return &transform{program: program}, nil
}

// unknownCall finds a call of a name: functions of the language are other nodes, and
// a record's field is none.
type unknownCall struct{ name string }

// Visit is called for every node.
func (u *unknownCall) Visit(node *ast.Node) {
	if call, ok := (*node).(*ast.CallNode); ok {
		if name, ok := call.Callee.(*ast.IdentifierNode); ok {
			u.name = name.Value
		}
	}
}

// apply returns the result as JSON.
func (t *transform) apply(record []byte) (out []byte, err error) {
	fields, err := decodeObject(record)
	if err != nil {
		return nil, err
	}
	result, err := t.machine.Run(t.program, fields)
	if err != nil {
		return nil, fmt.Errorf("--expr: %w", err)
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(result); err != nil {
		return nil, fmt.Errorf("--expr: the result is no JSON: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// decodeObject reads a JSON object. Integers that fit stay integers: through a
// float64 an id of 19 digits would change.
func decodeObject(record []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil || fields == nil {
		return nil, errors.New("the record is no JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the record is no JSON object")
	}
	for k, v := range fields {
		fields[k] = plainNumbers(v)
	}
	return fields, nil
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return int(n)
		}
		f, _ := v.Float64() // out of range: infinite, which is no JSON any more, and is said then
		return f
	case map[string]any:
		for k, x := range v {
			v[k] = plainNumbers(x)
		}
	case []any:
		for i, x := range v {
			v[i] = plainNumbers(x)
		}
	}
	return v
}
