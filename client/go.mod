module github.com/ringtail/ringtail/client

go 1.24
