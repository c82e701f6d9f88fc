package librdkafka

/*
#include "librdkafka.h"

// The table of all properties, as Markdown; ours to free.
static char *rt_properties(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	rd_kafka_conf_properties_show(f);
	fclose(f);
	return text;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unsafe"

	"github.com/ringtail/ringtail/internal/secret"
)

// table is the linked library's own table of properties, as Markdown: what package properties has
// is made of it, and compared with it.
func table() string {
	text := C.rt_properties()
	defer C.free(unsafe.Pointer(text))
	return C.GoString(text)
}

// CheckClient checks whether librdkafka makes a consumer, or else a producer, of these properties
// together: some it refuses only beside others. It connects to nothing.
func CheckClient(properties map[string]string, consumer bool) error {
	alone := maps.Clone(properties)
	delete(alone, "bootstrap.servers")
	conf, err := newConf(alone)
	if err != nil {
		return err
	}
	text := (*C.char)(C.calloc(1, C.RT_TEXT_MAX))
	defer C.free(unsafe.Pointer(text))
	role := C.uint(C.RT_PRODUCER)
	if consumer {
		role = C.RT_CONSUMER
	}
	client := C.rd_kafka_new(role, conf, text, C.RT_TEXT_MAX-1) // takes conf, but only if it succeeds
	if client == nil {
		C.rd_kafka_conf_destroy(conf)
		return errors.New("--kafka-property: " + secret.Hide(C.GoString(text), secret.Of(properties)))
	}
	C.rd_kafka_destroy(client)
	return nil
}

var quoted = regexp.MustCompile(`property:? "[^"]*"`)

// refusal returns what librdkafka says against a property, with the name that was given.
func refusal(name, text string) error {
	text = quoted.ReplaceAllLiteralString(strings.TrimSpace(text), `property "`+name+`"`)
	return fmt.Errorf("--kafka-property %s: %s", name, text)
}

// checkOne checks a property by itself. For tests.
func checkOne(name, value string) error {
	conf, err := newConf(map[string]string{name: value})
	if err == nil {
		C.rd_kafka_conf_destroy(conf)
	}
	return err
}
