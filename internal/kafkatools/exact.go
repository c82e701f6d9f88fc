package kafkatools

import (
	"fmt"
	"math/big"
	"reflect"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm/runtime"
)

// Integers in --expr are exact, or refused aloud. The language computes with Go's int,
// which wraps around at 64 bits, and would make a float64 of what is wider. So its
// arithmetic on integers is replaced:
//
//	a + b  ──patched──►  exact+(a, b)  ──integers──►  of 64 bits, signed or unsigned; else an error
//	                                   ──others────►  the language's own
//
// What is only passed on keeps any width.

// wideInteger is an integer that Go's int cannot hold. The language knows nothing of it,
// and refuses what is not replaced.
type wideInteger struct{ n *big.Int }

// MarshalJSON is its digits.
func (w wideInteger) MarshalJSON() ([]byte, error) { return w.n.MarshalJSON() }

// String is its digits.
func (w wideInteger) String() string { return w.n.String() }

// exactPrefix begins the names of the functions here, which nobody can type.
const exactPrefix = "exact "

// operator is one that is exact on integers. Its second operand is nil for a negation.
type operator struct {
	name      string
	integers  func(a, b *big.Int) (any, error)
	otherwise func(a, b any) any // the language's own
}

var operators = []operator{
	{"+", whole(func(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }), func(a, b any) any { return runtime.Add(a, b) }},
	{"-", whole(func(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }), func(a, b any) any { return runtime.Subtract(a, b) }},
	{"*", whole(func(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }), func(a, b any) any { return runtime.Multiply(a, b) }},
	{"/", quotient, func(a, b any) any { return runtime.Divide(a, b) }},
	{"%", remainder, func(a, b any) any { return runtime.Modulo(a, b) }},
	{"**", power, func(a, b any) any { return runtime.Exponent(a, b) }},
	{"^", power, func(a, b any) any { return runtime.Exponent(a, b) }},
	{"<", compared(func(c int) bool { return c < 0 }), func(a, b any) any { return runtime.Less(a, b) }},
	{"<=", compared(func(c int) bool { return c <= 0 }), func(a, b any) any { return runtime.LessOrEqual(a, b) }},
	{">", compared(func(c int) bool { return c > 0 }), func(a, b any) any { return runtime.More(a, b) }},
	{">=", compared(func(c int) bool { return c >= 0 }), func(a, b any) any { return runtime.MoreOrEqual(a, b) }},
}

func whole(f func(a, b *big.Int) *big.Int) func(a, b *big.Int) (any, error) {
	return func(a, b *big.Int) (any, error) { return narrow(f(a, b)) }
}

func compared(f func(int) bool) func(a, b *big.Int) (any, error) {
	return func(a, b *big.Int) (any, error) { return f(a.Cmp(b)), nil }
}

// quotient is an integer where it comes out even, else the nearest float64, as the
// language has it.
func quotient(a, b *big.Int) (any, error) {
	if b.Sign() == 0 {
		return nil, fmt.Errorf("%v is divided by zero", a)
	}
	q, rest := new(big.Int).QuoRem(a, b, new(big.Int))
	if rest.Sign() == 0 {
		return narrow(q)
	}
	f, _ := new(big.Rat).SetFrac(a, b).Float64()
	return f, nil
}

func remainder(a, b *big.Int) (any, error) {
	if b.Sign() == 0 {
		return nil, fmt.Errorf("%v is divided by zero", a)
	}
	return narrow(new(big.Int).Rem(a, b))
}

func power(a, b *big.Int) (any, error) {
	switch {
	case b.Sign() < 0:
		af, _ := a.Float64()
		bf, _ := b.Float64()
		return runtime.Exponent(af, bf), nil
	case a.CmpAbs(big.NewInt(1)) > 0 && b.Cmp(big.NewInt(64)) > 0:
		return nil, fmt.Errorf("%v to the power of %v is over 64 bits", a, b)
	}
	return narrow(new(big.Int).Exp(a, b, nil))
}

// narrow is an integer of 64 bits, signed or unsigned.
func narrow(n *big.Int) (any, error) {
	switch {
	case n.IsInt64():
		return int(n.Int64()), nil
	case n.IsUint64():
		return wideInteger{n}, nil
	}
	return nil, fmt.Errorf("%v is over 64 bits", n)
}

// integer is v where it is one.
func integer(v any) (*big.Int, bool) {
	switch v := v.(type) {
	case int:
		return big.NewInt(int64(v)), true
	case int64:
		return big.NewInt(v), true
	case wideInteger:
		return v.n, true
	}
	return nil, false
}

// small is for the integers that nearly all are: no sum, difference or product of two of
// them, and no order, needs more than an int.
func small(v any) bool {
	n, ok := v.(int)
	return ok && n < 1<<31 && n > -1<<31
}

func (o operator) apply(a, b any) (any, error) {
	if small(a) && small(b) && o.name != "/" && o.name != "**" && o.name != "^" && o.name != "%" {
		return o.otherwise(a, b), nil
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return o.integers(x, y)
		}
	}
	return o.otherwise(a, b), nil
}

// exactFunctions are what exact puts into an expression.
func exactFunctions() []expr.Option {
	options := []expr.Option{
		expr.Function(exactPrefix+"negate", func(v ...any) (any, error) {
			if n, ok := integer(v[0]); ok {
				return narrow(new(big.Int).Neg(n))
			}
			return runtime.Negate(v[0]), nil
		}, new(func(any) any)),
		expr.Function(exactPrefix+"fromJSON", func(v ...any) (any, error) { return decodeJSON([]byte(v[0].(string))) }, new(func(string) any)),
	}
	for _, o := range operators {
		var signature any = new(func(any, any) any)
		if o.name[0] == '<' || o.name[0] == '>' {
			signature = new(func(any, any) bool)
		}
		options = append(options, expr.Function(exactPrefix+o.name, func(v ...any) (any, error) { return o.apply(v[0], v[1]) }, signature))
	}
	return options
}

// exact replaces arithmetic that may be one on integers.
type exact struct{}

// Visit is called for every node, inner ones first.
func (exact) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		if mayBeInteger(n.Left) && mayBeInteger(n.Right) {
			for _, o := range operators {
				if o.name == n.Operator {
					ast.Patch(node, call(o.name, n.Left, n.Right))
				}
			}
		}
	case *ast.UnaryNode:
		if n.Operator == "-" && mayBeInteger(n.Node) {
			ast.Patch(node, call("negate", n.Node))
		}
	case *ast.BuiltinNode:
		switch n.Name {
		case "fromJSON":
			ast.Patch(node, call("fromJSON", n.Arguments...))
		case "sum": // is a reduction with +
			of := ast.Node(&ast.PointerNode{})
			if len(n.Arguments) == 2 {
				of = n.Arguments[1].(*ast.PredicateNode).Node
			}
			sum := &ast.PredicateNode{Node: call("+", &ast.PointerNode{Name: "acc"}, of)}
			ast.Patch(node, &ast.BuiltinNode{Name: "reduce", Arguments: []ast.Node{n.Arguments[0], sum, &ast.IntegerNode{}}})
		}
	}
}

func call(name string, arguments ...ast.Node) ast.Node {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: exactPrefix + name}, Arguments: arguments}
}

// mayBeInteger tells whether a node's value can be one, as far as it is known.
func mayBeInteger(n ast.Node) bool {
	switch n.Type().Kind() {
	case reflect.Interface, reflect.Int, reflect.Int64:
		return true
	}
	return false
}
