//go:build 386 || arm || mips || mipsle

package codec

import "encoding/json"

// sonic does not build where an int has 32 bits; where it has no machine code of its
// own, it does the same.
func validJSON(data []byte) bool { return json.Valid(data) }
