// Package licences holds the test that collects the licences of what the ringtail binary links:
// third_party.txt has their texts and NOTICE what they ask to be passed on. `make licences` writes
// both. A licence that is not on its list of permissive ones fails the test, so a new dependency is
// looked at before it is shipped.
package licences
