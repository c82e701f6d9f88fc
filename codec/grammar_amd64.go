package codec

import "github.com/bytedance/sonic/encoder"

func validJSON(data []byte) bool {
	ok, _ := encoder.Valid(data)
	return ok
}
