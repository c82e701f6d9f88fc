// Package tokens reads --token-file and --admin-token-file: the tokens with which those who connect
// say who they are.
//
//	# comment                  a line that begins with "# ", or is a # alone; blank lines mean nothing
//	billing:k4Jw…              name:token; the name is shown, and may be given twice
//	k4Jw…                      a token without a name has no colon in it
//	:k4:Jw…                    unless this is in front
//
// White space around lines, names and tokens means nothing. A token has 1 to MaxToken bytes of
// UTF-8, without control characters. A file has at least one token, and each one once.
//
// Tokens are known by their SHA-256 alone. No error and no log line has a part of one: they name the
// line.
package tokens
