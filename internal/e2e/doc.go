// Package e2e runs the real ringtail binary as a child process, the way a user
// does, and reads what it says: exit code, ledger, metrics, processor time.
//
//	bench.Load ──TCP──▶ ringtail serve ──▶ Kafka (kafkatest)
//	                     │  │  │              │
//	        /metrics ────┘  │  └ exit code,   │ franz-go
//	        /readyz      stderr: ledger       ▼
//	                                     bench.Checker
//
// The tests of this package are the end-to-end tests; internal/faults uses the
// same harness with faults on top.
package e2e
