package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"cim/route"
)

// clusterPeer is the server of this process as the cluster sees it.
type clusterPeer struct {
	localPeer // its server is set before the first call, and immutable then

	storeAway atomic.Bool // nobody could log in here
}

// Expect implements route.Peer. A server that has lost its store takes no users, so that they are sent elsewhere.
func (p *clusterPeer) Expect(ctx context.Context, user int64, within time.Duration) (route.Admission, error) {
	if p.storeAway.Load() {
		return route.Admission{}, fmt.Errorf("%w: its store does not answer", route.ErrNoServer)
	}
	return p.localPeer.Expect(ctx, user, within)
}
