package broker

// Filters counts the levels of filters in the index.
func Filters(b *Broker) int {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	return b.topics.root.count()
}

func (n *node) count() int {
	sum := 0
	for _, c := range n.children {
		sum += 1 + c.count()
	}
	return sum
}

// Counts of what the broker holds for clients.
func Counts(b *Broker) (live, sessions, conns int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.live), len(b.sessions), len(b.conns)
}
