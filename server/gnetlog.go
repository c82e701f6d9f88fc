package server

import (
	"fmt"
	"log/slog"
)

// gnetLogger passes what gnet has to say on at debug level: of its warnings none
// is one to whoever runs Ringtail, and its errors reach us as answers.
type gnetLogger struct{ log *slog.Logger }

func (g gnetLogger) say(format string, args []any) {
	g.log.Debug("gnet: " + fmt.Sprintf(format, args...))
}

func (g gnetLogger) Debugf(format string, args ...any) {}
func (g gnetLogger) Infof(format string, args ...any)  {}
func (g gnetLogger) Warnf(format string, args ...any)  { g.say(format, args) }
func (g gnetLogger) Errorf(format string, args ...any) { g.say(format, args) }
func (g gnetLogger) Fatalf(format string, args ...any) { g.say(format, args) }
