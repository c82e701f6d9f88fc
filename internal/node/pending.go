package node

import (
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
)

func insightOf(w *producer.Writer) producer.Insight {
	if i, ok := any(w).(interface{ Insight() producer.Insight }); ok {
		return i.Insight()
	}
	return producer.Insight{}
}

func (f *facts) ofServer(s *server.Server) {
	f.in = s.Stats()
	if i, ok := any(s).(interface {
		Listeners() []server.ListenerStats
		Rejects() []server.RejectSample
		Stages() server.StageTimes
	}); ok {
		f.listeners, f.rejects, f.stages = i.Listeners(), i.Rejects(), i.Stages()
	}
}
