// Package zkregistry is route.Registry on ZooKeeper: an ephemeral node per server, with the path that CIM's servers
// use, so that both find each other. It must not know event loops, HTTP, or what a server does; whether one that
// vanished still lives is asked through Config.Probe.
//
// # How it stays right
//
// One goroutine (run) owns what is known and makes all calls. What is to be (the servers that joined here) and what is
// (the nodes) are compared in each step, so that an error needs no repair of its own: the next step tries again.
// Watches on the list and on each node tell when to look; the list is read once a minute in any case.
//
// ZooKeeper away: the last list stays. A session that expired is replaced by a new one inside the process, and its
// nodes are made again with the same instance ids. When more than half of the servers vanish at about the same time,
// or any soon after this process's own session, each of them stays listed until a probe finds it dead.
//
// ZooKeeper not there yet: Start returns at once and goes on trying, Await says when it came. What waiting does not mend is
// told at once: an access list that keeps this process out (ErrDenied).
package zkregistry
