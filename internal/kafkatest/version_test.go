package kafkatest

import "testing"

// TestUpgrade: a broker is what Upgrade said from its next start on, with the records it had, and
// the cluster's features can be taken up.
func TestUpgrade(t *testing.T) {
	c := Start(t, Options{Version: "3.9.1", Properties: quick})
	c.CreateTopic("records", 1, 1, nil)
	client := c.Client(t)
	c.Upgrade("4.1.1")
	check := func(version string, records int64) {
		t.Helper()
		if err := produce(t, client, "records"); err != nil {
			t.Fatal(err)
		}
		if got, n := c.Version(1), c.Ends("records"); got != version || n != records {
			t.Errorf("it is %s with %d records, want %s, %d", got, n, version, records)
		}
	}
	check("3.9.1", 1)
	c.Stop(1)
	c.Restart(1)
	check("4.1.1", 2)
	if from, to := c.TakeUpFeatures(); to <= from {
		t.Errorf("metadata.version was %d, is %d", from, to)
	}
	check("4.1.1", 3)
}
