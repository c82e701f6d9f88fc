package producer

import (
	"errors"
	"fmt"
	"regexp"
)

// CheckTopics tells whether --topic and --dead-letter-topic ("": none) are names that topics can have.
func CheckTopics(topic, deadLetters string) error {
	switch {
	case topic == "":
		return errors.New("--topic is empty; give the topic that records go to")
	case !isTopic(topic):
		return fmt.Errorf("--topic %q is not a name that a topic can have", topic)
	case deadLetters != "" && !isTopic(deadLetters):
		return fmt.Errorf("--dead-letter-topic %q is not a name that a topic can have", deadLetters)
	case topic == deadLetters:
		return fmt.Errorf("--dead-letter-topic is --topic (%s); rejected records need a topic of their own", topic)
	}
	return nil
}

// CheckProducers tells whether --producers fits --shards.
func CheckProducers(producers, shards int) error {
	if producers < 1 || producers > max(shards, 1) {
		return fmt.Errorf("--producers is %d; must be 1 to --shards (%d)", producers, shards)
	}
	return nil
}

// isTopic is Kafka's rule for names (org.apache.kafka.common.internals.Topic).
func isTopic(name string) bool {
	return topicName.MatchString(name) && name != "." && name != ".."
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)
