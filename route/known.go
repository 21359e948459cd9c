package route

import "sync"

// knownUsersMax bounds the cache at about 40 bytes an entry: 10 MB.
const knownUsersMax = 1 << 18

// knownUsers remembers ids that have an account, so that a send does not look each receiver up. Accounts
// are never deleted, so an entry cannot become wrong. When full, half of it makes room: older entries
// are as likely to go as newer ones, which costs a look-up and nothing else.
type knownUsers struct {
	mu  sync.RWMutex
	ids map[int64]struct{}
	max int
}

func newKnownUsers(limit int) *knownUsers {
	return &knownUsers{ids: make(map[int64]struct{}), max: limit}
}

func (k *knownUsers) has(id int64) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	_, ok := k.ids[id]
	return ok
}

func (k *knownUsers) add(id int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.ids) >= k.max {
		k.dropHalf()
	}
	k.ids[id] = struct{}{}
}

// dropHalf must run with mu held.
func (k *knownUsers) dropHalf() {
	for id := range k.ids {
		if len(k.ids) <= k.max/2 {
			return
		}
		delete(k.ids, id)
	}
}
