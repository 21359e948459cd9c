package zkregistry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cim/route"
)

var _ route.Registry = (*Registry)(nil)

// Registry implements route.Registry on ZooKeeper. Open makes one, Close ends it. Safe for concurrent use.
type Registry struct {
	cfg     Config
	events  *events
	cancel  context.CancelFunc // ends the loop
	readyCh chan struct{}      // closed when the list was read for the first time
	denial  denial             // when ZooKeeper has denied something for the first time
	doneCh  chan struct{}      // closed when the loop has ended
	wg      sync.WaitGroup     // the loop, its probes, and connections that it gave up

	loop loop // owned by run

	mu      sync.Mutex
	members map[string]*member // guarded by mu; by node name
	leaving []*member          // guarded by mu; their nodes are to be deleted
	closed  bool               // guarded by mu
	dead    []string           // guarded by mu; instances that a probe found dead
	probing bool               // guarded by mu; a round of probes runs
	err     error              // guarded by mu; of the last step

	conn atomic.Pointer[conn]       // replaced by the loop
	list atomic.Pointer[serverList] // replaced, never changed
}

type serverList struct {
	ordered    []route.Server
	byInstance map[string]route.Server
}

// Open connects and returns when the list of servers has been read. The caller closes the Registry.
// Errors: ErrConfig; those of Await.
func Open(ctx context.Context, cfg Config) (*Registry, error) {
	r, err := Start(cfg)
	if err != nil {
		return nil, err
	}
	if err := r.Await(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Start begins to connect and returns at once. The list is empty until Await returns. The caller closes the Registry.
// Errors: ErrConfig.
func Start(cfg Config) (*Registry, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Registry{
		cfg: cfg, events: newEvents(cfg.Root), members: map[string]*member{},
		readyCh: make(chan struct{}), denial: newDenial(), doneCh: make(chan struct{}),
	}
	r.list.Store(&serverList{})
	c, err := connect(cfg, r.events)
	if err != nil {
		return nil, err
	}
	r.conn.Store(c)
	r.loop = loop{view: newView(c, cfg), began: time.Now(), roster: newRoster(cfg.Probe == nil)}
	loopCtx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.wg.Go(func() { r.run(loopCtx) })
	return r, nil
}

// Await returns when the list of servers has been read for the first time. It may be called again after an error: the
// Registry goes on trying, once a second when all of its ZooKeeper servers were tried.
// Errors: ErrDenied at once, which waiting does not mend; ErrUnavailable when ctx ends before; ErrClosed.
func (r *Registry) Await(ctx context.Context) error {
	select {
	case <-r.readyCh:
		return nil
	case <-r.denial.ch:
		return *r.denial.err
	case <-r.doneCh:
		return ErrClosed
	case <-ctx.Done():
		cause := ctx.Err()
		if err := r.Err(); err != nil && !errors.Is(err, ErrUnavailable) {
			cause = fmt.Errorf("%w: %w", err, cause)
		}
		return fmt.Errorf("%w at %s: %w", ErrUnavailable, strings.Join(r.cfg.Servers, ","), cause)
	}
}

// Close takes the servers that joined out of the list and ends the session. It takes a second when ZooKeeper does not
// answer.
func (r *Registry) Close() {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		<-r.doneCh
		return
	}
	r.cancel()
	r.wg.Wait()
	r.conn.Load().Close()
}

// Join implements route.Registry. It returns when the node has been made; from then on it is made again
// whenever it is lost, until leave is called, which waits until it is gone (for CallTimeout at most, and later if
// ZooKeeper is away). A node that another process left at the same address is replaced. Joining again at the same
// address replaces what is listed there.
// Errors: ErrInvalidAddress; ErrUnavailable; ErrDenied; ErrClosed; that of ctx.
func (r *Registry) Join(ctx context.Context, s route.Server) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("zkregistry: join: %w", err)
	}
	m, err := newMember(s)
	if err != nil {
		return nil, err
	}
	if err := r.add(m); err != nil {
		return nil, err
	}
	timer := time.NewTimer(r.cfg.CallTimeout)
	defer timer.Stop()
	select {
	case <-m.joinedCh:
		return sync.OnceFunc(func() { r.leave(m) }), nil
	case <-m.denial.ch:
		err = *m.denial.err
	case <-ctx.Done():
		err = fmt.Errorf("zkregistry: join: %w", ctx.Err())
	case <-timer.C:
		err = fmt.Errorf("%w in time: %w", ErrUnavailable, cmp.Or(r.Err(), errCallTimeout))
	case <-r.doneCh:
		return nil, ErrClosed
	}
	r.remove(m)
	return nil, err
}

func (r *Registry) add(m *member) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	r.members[m.name] = m
	r.events.wake()
	return nil
}

// remove has the loop delete the member's node. A member that was replaced here keeps what is there now.
func (r *Registry) remove(m *member) (removed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[m.name] != m {
		return false
	}
	delete(r.members, m.name)
	r.leaving = append(r.leaving, m)
	r.events.wake()
	return true
}

func (r *Registry) leave(m *member) {
	if !r.remove(m) {
		return
	}
	timer := time.NewTimer(r.cfg.CallTimeout)
	defer timer.Stop()
	select {
	case <-m.leftCh:
	case <-timer.C:
		r.cfg.Logger.Warn("ZooKeeper does not answer; the server stays listed until it does, or its session ends", "node", m.name)
	case <-r.doneCh:
	}
}

// Servers implements route.Registry. The slice is shared and must not be changed.
func (r *Registry) Servers() []route.Server { return slices.Clip(r.list.Load().ordered) }

// Server implements route.Registry.
func (r *Registry) Server(instance string) (route.Server, bool) {
	s, ok := r.list.Load().byInstance[instance]
	return s, ok
}

// Err says what is wrong at the moment, for a person; nil when ZooKeeper answers and every server that joined here is
// listed. Errors: ErrUnavailable; ErrReplaced; others of ZooKeeper.
func (r *Registry) Err() error {
	if ok, since := r.events.connected(); !ok {
		return fmt.Errorf("%w since %s", ErrUnavailable, since.Format(time.TimeOnly))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// publish replaces the list. Of two entries with one instance, which cannot be told apart, one counts.
func (r *Registry) publish(servers []route.Server) {
	slices.SortFunc(servers, func(a, b route.Server) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Instance, b.Instance))
	})
	next := &serverList{byInstance: make(map[string]route.Server, len(servers))}
	for _, s := range servers {
		if _, twice := next.byInstance[s.Instance]; !twice {
			next.byInstance[s.Instance] = s
			next.ordered = append(next.ordered, s)
		}
	}
	r.list.Store(next)
}
