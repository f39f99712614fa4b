package mail

import (
	"context"
	"slices"
	"sync"
)

// maxKept is how many messages a Memory keeps.
const maxKept = 10_000

// Memory is a transport for tests: it keeps what it is given, the newest 10,000
// messages. Its zero value is ready. It is safe for concurrent use.
type Memory struct {
	mu       sync.Mutex
	messages []Message
	failure  error
}

// Name returns "memory".
func (m *Memory) Name() string { return "memory" }

// Send keeps msg. It fails as a real transport does for a message that cannot be
// sent, and as [Memory.Fail] says.
func (m *Memory) Send(ctx context.Context, msg Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := msg.parse(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure != nil {
		return m.failure
	}
	m.messages = append(m.messages, msg)
	if n := len(m.messages); n > maxKept {
		m.messages = slices.Delete(m.messages, 0, n-maxKept)
	}
	return nil
}

// Fail makes every Send from now on fail with err; nil ends that.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// Messages returns what was sent, oldest first.
func (m *Memory) Messages() []Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.messages)
}

// Last returns the newest message to an address, and whether there is one.
func (m *Memory) Last(to string) (Message, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, msg := range slices.Backward(m.messages) {
		if msg.To == to {
			return msg, true
		}
	}
	return Message{}, false
}
