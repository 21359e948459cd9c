package embedded

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"cim/route"
)

// Registry lists the servers of this process. It implements route.Registry; NewRegistry makes an empty one.
type Registry struct {
	mu     sync.Mutex
	joined map[string]*route.Server // guarded by mu; by instance

	list atomic.Pointer[serverList] // replaced, never changed
}

type serverList struct {
	ordered    []route.Server
	byInstance map[string]route.Server
}

// NewRegistry returns a Registry without servers.
func NewRegistry() *Registry {
	r := &Registry{joined: map[string]*route.Server{}}
	r.list.Store(&serverList{})
	return r
}

// Join implements route.Registry. Joining again with the same instance replaces what is listed of it.
func (r *Registry) Join(ctx context.Context, s route.Server) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("embedded: join: %w", err)
	}
	entry := &s
	r.mu.Lock()
	defer r.mu.Unlock()
	r.joined[s.Instance] = entry
	r.publish()
	return func() { r.leave(entry) }, nil
}

// leave takes the entry out unless a later Join replaced it.
func (r *Registry) leave(entry *route.Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.joined[entry.Instance] == entry {
		delete(r.joined, entry.Instance)
		r.publish()
	}
}

// publish replaces the list. Callers hold mu.
func (r *Registry) publish() {
	next := &serverList{byInstance: make(map[string]route.Server, len(r.joined))}
	for instance, s := range r.joined {
		next.byInstance[instance] = *s
		next.ordered = append(next.ordered, *s)
	}
	slices.SortFunc(next.ordered, func(a, b route.Server) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Instance, b.Instance))
	})
	r.list.Store(next)
}

// Servers implements route.Registry. The slice is shared and must not be changed.
func (r *Registry) Servers() []route.Server { return slices.Clip(r.list.Load().ordered) }

// Server implements route.Registry.
func (r *Registry) Server(instance string) (route.Server, bool) {
	s, ok := r.list.Load().byInstance[instance]
	return s, ok
}
