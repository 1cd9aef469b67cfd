package shadow

import (
	"encoding/json"
	"fmt"

	"fountain/sync/wire"
)

// Heard is something that was said about the desired state of a shadow.
type Heard struct {
	Version int64
	Desired json.RawMessage // of a delta all that differs; else what somebody wrote, with null for what was removed
	Delta   bool
}

// heardMost is how much a listener may leave lying; what comes then is dropped.
const heardMost = 64

// Listen hears every delta of the named shadow and every change of its desired state by others, one by one and in the
// order they arrive, which need not be that of their versions. A removed key shows nowhere else: it is in no delta.
// Whoever listens takes from the channel without delay; it is never closed.
func (m *Mux) Listen(name string) (<-chan Heard, error) {
	if err := wire.CheckShadowName(name); err != nil || name == "" {
		return nil, fmt.Errorf("listen to shadow %q: %w", name, orNoName(err))
	}
	ch := make(chan Heard, heardMost)
	path := wire.Shadow(m.thing, name)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listeners[path] = append(m.listeners[path], ch)
	return ch, nil
}

// tell hands something over to the listeners of a shadow. The caller holds the mutex.
func (m *Mux) tell(path wire.ShadowPath, h Heard) bool {
	for _, ch := range m.listeners[path] {
		select {
		case ch <- h:
		default:
			m.ignored++
		}
	}
	return len(m.listeners[path]) > 0
}
