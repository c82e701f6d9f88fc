package tokens

import (
	"fmt"

	"github.com/ringtail/ringtail/internal/reload"
)

// Open reads the file of a flag: --token-file, --admin-token-file. Errors name the flag and the line;
// told hears of changes, see reload.Open.
func Open(flag, path string, told func(*Set, error)) (*reload.Value[*Set], error) {
	return reload.Open(func(contents [][]byte) (*Set, error) {
		set, _, err := parse(contents[0])
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", flag, path, err)
		}
		return set, nil
	}, told, reload.File{Flag: flag, Path: path})
}

// First returns the first token of a --token-file, that of a client which has it for itself; "" if
// there is no file.
func First(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := reload.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	_, first, err := parse(text)
	if err != nil {
		return "", fmt.Errorf("--token-file %s: %w", path, err)
	}
	return first, nil
}
