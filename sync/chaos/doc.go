// Package chaos judges the unit's side of the wire by faults, in virtual time. It holds tests only, and tests may import
// the cloud: the unit's link, shadows and uplinks run against the real broker, ingest and store over lines that a
// schedule cuts.
//
//	log ─► uplink ─► mqttlink ─► tap (plaintext: any byte, any packet) ─► TLS ─► line (delay, half-open) ─► awsiot ─► ingest
//	 ▲                                                                                                              │
//	 └── judge: acknowledged ⊆ stored, each once, unchanged, in order ◄──────────────────────────── store, effects ◄┘
//
// Which fault comes when is a function of the seed: every connection of every unit, and every message, draws from a
// stream of its own. Go's scheduler is not seeded, so a seed repeats the faults and not every interleaving.
package chaos
