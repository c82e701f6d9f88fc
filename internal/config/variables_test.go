package config

import (
	"testing"

	"github.com/alecthomas/kong"
)

// TestToolsTakeLittle: a verb without --config takes from the environment only what says which Kafka,
// and does not mind what is serve's.
func TestToolsTakeLittle(t *testing.T) {
	var flags struct {
		Serve struct {
			Config string
			Count  int
		} `cmd:""`
		Tool struct {
			Brokers, Topic string
			KafkaProperty  Properties
			Count          int
		} `cmd:""`
	}
	for name, value := range map[string]string{
		"RINGTAIL_BROKERS": "b:1", "RINGTAIL_TOPIC": "t", "RINGTAIL_KAFKA_PROPERTY_LINGER_MS": "5", "RINGTAIL_COUNT": "5", "RINGTAIL_CONFIG": "/nowhere.yaml",
	} {
		t.Setenv(name, value)
	}
	sources := Sources{Known: func() map[string]string { return someProperties }}
	k, err := kong.New(&flags, append(sources.Options(), kong.Exit(func(int) { t.Fatal("kong exits") }))...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := k.Parse([]string{"tool", "--brokers", "c:2"})
	if got := flags.Tool; err != nil || got.Brokers != "c:2" || got.Topic != "t" || got.KafkaProperty["linger.ms"] != "5" || got.Count != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if !Typed(ctx, "brokers") || Typed(ctx, "topic") || Typed(ctx, "count") {
		t.Error("what was typed is not known")
	}
}
