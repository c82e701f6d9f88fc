package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFilesOfSecrets: @FILE is what the file holds, wherever the property was written, and is shown
// as it was written.
func TestFilesOfSecrets(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("HUNTER", "hunter2")
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	plain := write("plain", "hunter2")
	line := write("line", "hunter2\n")
	dos := write("dos", "hunter2\r\n")
	blank := write("blank", " hunter2 \n\n")
	for value, want := range map[string]string{
		"@" + plain: "hunter2", "@" + line: "hunter2", "@" + dos: "hunter2", "@" + blank: " hunter2 \n", "@${CREDENTIALS_DIRECTORY}/line": "hunter2",
		"@@hunter2": "@hunter2", "hunter2@": "hunter2@", "": "", "$${CREDENTIALS_DIRECTORY}": "${CREDENTIALS_DIRECTORY}", "@@": "@",
		"${HUNTER}": "hunter2", "a${HUNTER}b": "ahunter2b", "$HUNTER": "$HUNTER", "@@${HUNTER}": "@hunter2", "${a-b}": "${a-b}", "${": "${",
	} {
		p := Properties{"sasl.password": value}
		if got, err := p.Read(); err != nil || got["sasl.password"] != want {
			t.Errorf("%s: %q, %v; want %q", value, got, err, want)
		}
		shown := "sasl.password=[hidden]"
		if strings.HasPrefix(value, "@") && !strings.HasPrefix(value, "@@") || value == "${HUNTER}" {
			shown = "sasl.password=" + value
		}
		if got := p.Pairs()[0]; got != shown {
			t.Errorf("%s is shown as %s", value, got)
		}
	}
	f, _, err := parse(t, "kafka-property: {sasl.password: \"@"+line+"\"}")
	if got, e := f.Verb.KafkaProperty.Read(); err != nil || e != nil || got["sasl.password"] != "hunter2" {
		t.Errorf("in a file: %q, %v, %v", got, err, e)
	}
	t.Setenv("RINGTAIL_KAFKA_PROPERTY", "sasl.password=@"+line+",linger.ms=5")
	f, _, err = parse(t, "")
	if got, e := f.Verb.KafkaProperty.Read(); err != nil || e != nil || got["sasl.password"] != "hunter2" {
		t.Errorf("in a variable: %q, %v, %v", got, err, e)
	}
}

// TestNoFileOfSecrets: what cannot be read is named, with the property; it is wrong usage.
func TestNoFileOfSecrets(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"@": "no FILE is named", "@" + dir + "/none": dir + "/none: no such file", "@" + empty: "is empty", "@" + dir: "is a directory",
		"@${NO_SUCH_VARIABLE}/x": "no variable NO_SUCH_VARIABLE", "@/dev/zero": "more than",
		"${NO_SUCH_VARIABLE}": "no variable NO_SUCH_VARIABLE",
	} {
		_, err := Properties{"sasl.password": value}.Read()
		var usage *UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), "--kafka-property sasl.password: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
	// It may be a password that begins with an @.
	if _, err := (Properties{"sasl.password": "@hunter2"}).Read(); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "@@ is an @") {
		t.Error(err)
	}
}
