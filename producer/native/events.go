package native

import (
	"fmt"

	"github.com/ringtail/ringtail/producer/backend"
)

// Levels of syslog.
const (
	levelError  = 3
	levelNotice = 5
	levelDebug  = 7
)

const eventsMax = 64

// Events returns the events since the last call, and how many more found no room.
func (c *Client) Events() ([]backend.Event, int) {
	if !c.hasEvents.Load() {
		return nil, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, n := c.events, c.eventsDropped
	c.events, c.eventsDropped = nil, 0
	c.hasEvents.Store(false)
	return e, n
}

// noteEvent notes an event, or counts it where there is no room. Any goroutine may call it.
func (c *Client) noteEvent(e backend.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hasEvents.Store(true)
	if len(c.events) == eventsMax {
		c.eventsDropped++
		return
	}
	c.events = append(c.events, e)
}

// noteNoResponse logs that a request got no response: as an error once, and for debugging until a
// response comes.
func (c *Client) noteNoResponse(br *brokerState, err error) {
	level := levelDebug
	if !br.toldSilent {
		level = levelError
	}
	br.toldSilent = true
	text := fmt.Sprintf("broker %d, trying again: %v", br.broker, err)
	if br.size.failed > 0 {
		text += fmt.Sprintf("; requests to it have %d bytes at most now, but for a batch that is larger", br.size.limit)
	}
	c.noteEvent(backend.Event{Level: level, Text: text})
}
