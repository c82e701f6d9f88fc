// Mutants breaks a rule of the code on purpose, runs the tests of the package, and tells whether
// one of them died. A rule that can be broken without a test that notices is a wish.
//
//	make mutants                              all of them
//	make mutants ARGS='-only native'          those whose file or rule has "native" in it
//	make mutants ARGS='-only failure.go -v'    and what the tests said of those that survived
//
// The mutants are written by hand, in list/*.txt: a file, the rule that is broken, and the change as
// in a diff, in whole lines that occur once in the file. `args` are go test's for those that follow,
// where all of the package's tests would take too long, and packages whose tests are run as well.
//
//	args -run=Ack|Linger
//
//	server/ack/checkpoints.go: a checkpoint is done when none of its batches is left
//	 	k.get(seq).batches--
//	-	for k.n > 0 && k.get(k.base).batches == 0 {
//	+	for k.n > 0 {
//
// The working tree stays as it is: go's -overlay shows the compiler another file. The package's own
// tests see to it that every mutant still applies and compiles, so that the list does not rot.
package main
