package tokens

// Parse reads what a file has in it. Its errors name the line.
func Parse(text []byte) (*Set, error) {
	s, _, err := parse(text)
	return s, err
}
