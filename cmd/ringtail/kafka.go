package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/ringtail/ringtail/internal/kafkatools"
)

func (p *process) streams() kafkatools.Streams {
	return kafkatools.Streams{
		In: p.In, Out: p.Out, Err: p.Err,
		OutTerminal: isTerminal(p.Out), ErrTerminal: isTerminal(p.Err),
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
