package main

import "testing"

// TestHeaderUsage: what is wrong with a --header of serve is said, and what would be right.
func TestHeaderUsage(t *testing.T) {
	for what, c := range map[string]struct {
		header []string
		want   string
	}{
		"no WHAT":      {[]string{"remote"}, "one of address, time, name"},
		"unknown WHAT": {[]string{"remote=weather"}, "one of address, time, name"},
		"no name":      {[]string{"=address"}, "has no name"},
		"twice":        {[]string{"a=address", "b=time", "a=time"}, "there is a header a already"},
	} {
		for _, verb := range []string{"serve", "check"} {
			args := []string{verb, "--brokers", "127.0.0.1:1"}
			for _, h := range c.header {
				args = append(args, "--header", h)
			}
			t.Run(what+"/"+verb, func(t *testing.T) { refuse(t, exitUsage, []string{"--header", c.want}, args...) })
		}
	}
	t.Setenv("RINGTAIL_HEADER", "remote=address,remote=time")
	refuse(t, exitUsage, []string{"--header"}, "check", "--brokers", "127.0.0.1:1")
	must(t, "check", "--brokers", "127.0.0.1:1", "--header", "remote=address", "--header", "came=time", "--header", "client=name", "--header", "again=address")
}
