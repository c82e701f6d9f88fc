package main

import (
	"encoding/json"
	"net/http"
)

// delivered asks the server's /status how many records are in Kafka.
func delivered(admin string) int {
	res, err := http.Get("http://" + admin + "/status")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	var s struct {
		Kafka struct{ Delivered int } `json:"kafka"`
	}
	if json.NewDecoder(res.Body).Decode(&s) != nil {
		return 0
	}
	return s.Kafka.Delivered
}
