package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/ringtail/ringtail/internal/kafkatools"
)

func (p *process) streams() kafkatools.Streams {
	s := kafkatools.Streams{
		In: p.In, Out: p.Out, Err: p.Err,
		OutTerminal: isTerminal(p.Out), ErrTerminal: isTerminal(p.Err),
	}
	if s.OutTerminal {
		out := int(p.Out.(*os.File).Fd())
		s.Size = func() (columns, rows int) {
			columns, rows, _ = term.GetSize(out)
			return columns, rows
		}
	}
	return s
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
