package peer

import "sync"

// maxMissed bounds the users of one server who are remembered: half a megabyte. Those beyond it wait for their
// server's sweep.
const maxMissed = 1 << 14

// missed are users whose stored messages could not be pushed to their server. It is told of them when it answers again,
// or they would have to wait for the next message or for the server's sweep. Safe for concurrent use.
type missed struct {
	mu    sync.Mutex
	users map[int64]struct{}
}

func (m *missed) add(users []int64) {
	if len(users) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users == nil {
		m.users = make(map[int64]struct{})
	}
	for _, user := range users {
		if len(m.users) < maxMissed {
			m.users[user] = struct{}{}
		}
	}
}

// take removes up to limit users.
func (m *missed) take(limit int) []int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var users []int64
	for user := range m.users {
		if len(users) >= limit {
			break
		}
		users = append(users, user)
		delete(m.users, user)
	}
	if len(m.users) == 0 {
		m.users = nil
	}
	return users
}

func (m *missed) any() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.users) > 0
}
