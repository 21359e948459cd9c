package peer

import (
	"sync"

	"cim/route"
)

// maxMissed bounds the users of one server who are remembered: half a megabyte, and a megabyte for those whose session is
// to end. Those beyond it wait for their server's sweep.
const maxMissed = 1 << 14

// missed is what could not be said to a server: whose stored messages were not pushed, and whose session was to end. It is
// told when it answers again, or they would have to wait for the next message or for the server's sweep. Safe for
// concurrent use.
type missed struct {
	mu    sync.Mutex
	users map[int64]struct{} // guarded by mu; who is to read on
	kicks map[kick]struct{}  // guarded by mu; sessions to end
}

// kick is a session to end. To say it twice does no harm: no other session has its epoch.
type kick struct {
	user  int64
	epoch uint64
	why   route.KickReason
}

// add returns how many kicks there was no room for.
func (m *missed) add(kicks []kick, users []int64) (left int) {
	if len(kicks)+len(users) == 0 {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range kicks {
		if m.kicks == nil {
			m.kicks = make(map[kick]struct{})
		}
		if _, known := m.kicks[k]; !known && len(m.kicks) >= maxMissed {
			left++
			continue
		}
		m.kicks[k] = struct{}{}
	}
	for _, user := range users {
		if m.users == nil {
			m.users = make(map[int64]struct{})
		}
		if len(m.users) < maxMissed {
			m.users[user] = struct{}{}
		}
	}
	return left
}

// take removes up to limit entries, kicks first.
func (m *missed) take(limit int) (kicks []kick, users []int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.kicks {
		if len(kicks) >= limit {
			break
		}
		kicks = append(kicks, k)
		delete(m.kicks, k)
	}
	for user := range m.users {
		if len(kicks)+len(users) >= limit {
			break
		}
		users = append(users, user)
		delete(m.users, user)
	}
	// A map keeps the memory that it once needed.
	if len(m.kicks) == 0 {
		m.kicks = nil
	}
	if len(m.users) == 0 {
		m.users = nil
	}
	return kicks, users
}

func (m *missed) any() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.kicks)+len(m.users) > 0
}
