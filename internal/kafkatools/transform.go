package kafkatools

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
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
	options := append(exactFunctions(), expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.Patch(fields{}), expr.Patch(exact{}))
	program, err := expr.Compile(source, options...)
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
		if name, ok := call.Callee.(*ast.IdentifierNode); ok && !strings.HasPrefix(name.Value, exactPrefix) {
			u.name = name.Value
		}
	}
}

// fields lets a record's field be a variable also where a function of the language has its
// name, like count or len: such a name means the function only where it is called.
type fields struct{}

// Visit is called for every node.
func (fields) Visit(node *ast.Node) {
	if name, ok := (*node).(*ast.IdentifierNode); ok && slices.Contains(builtin.Names, name.Value) {
		ast.Patch(node, &ast.MemberNode{Node: &ast.IdentifierNode{Value: "$env"}, Property: &ast.StringNode{Value: name.Value}})
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

// decodeObject reads a JSON object; its numbers are as decodeJSON says.
func decodeObject(record []byte) (map[string]any, error) {
	v, err := decodeJSON(record)
	if err != nil {
		return nil, errNotJSON
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, errNoObject
	}
	return fields, nil
}

var (
	errNotJSON  = errors.New("the record is no JSON")
	errNoObject = errors.New("the record is no JSON object")
)

// decodeJSON reads one JSON value. Integers are integers, of any size: through a float64 an
// id of 19 digits would change.
func decodeJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind it")
	}
	return plainNumbers(v), nil
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return plainNumber(string(v))
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

func plainNumber(literal string) any {
	if n, err := strconv.Atoi(literal); err == nil {
		return n
	}
	if n, ok := new(big.Int).SetString(literal, 10); ok {
		return wideInteger{n}
	}
	f, _ := strconv.ParseFloat(literal, 64) // out of range: infinite, which is no JSON any more, and is said then
	return f
}
