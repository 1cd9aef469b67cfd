// Package agent is the unit: it wires the machine, the store, the inventory, the uplink and the local API into one
// process that pours. It imports packages of level 4 and below, but neither hal/linux, hal/sim nor touchui: cmd/fountaind
// hands it a rig.
//
//	apiserver ──Start/Beat/Stop──► Agent ──► machine (control loop) ──► hal.Rig
//	    ▲                                       │ Journal
//	    │ Snapshot                              ▼
//	    └──── composer ◄── inventory ◄── journal goroutine ──► store ──► uplink ──► cloud
//
// Run recovers first: every intent the last process left open becomes exactly one `interrupted` record before the
// machine moves.
package agent
