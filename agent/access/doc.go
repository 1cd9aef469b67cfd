// Package access keeps the service PIN and the trail of service actions. It imports internal packages and the argon2
// hash; what it stores goes through Settings (the PIN) and a directory of its own (the trail).
//
//	screen ──Verify──► PIN ──Settings──► store             one record: hash, salt, failures
//	service actions ──Append──► Trail ──► DIR/audit.jsonl  append, fsync, rotated by size
//
// State it owns: the number of wrong PINs, which survives a restart, and since when this process waits for the next try,
// which does not: a restart begins the wait anew, so pulling the plug never shortens it. The wall clock plays no part.
package access
