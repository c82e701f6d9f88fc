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
	"fmt"
	"regexp"
	"strings"
	"unsafe"
)

// table is the linked library's own table of properties, as Markdown: what package properties has
// is made of it, and compared with it.
func table() string {
	text := C.rt_properties()
	defer C.free(unsafe.Pointer(text))
	return C.GoString(text)
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
