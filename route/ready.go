package route

import "context"

// Problem is a dependency that does not work at the moment.
type Problem struct {
	Component string // what is broken: store, registry, peers, server
	Detail    string // why, for a person
}

// Reporter is an Inbox, a Registry or Peers that can say that something is wrong although it answers: it refuses to store
// while a disk is full, its list of servers is the last one it knew, or servers do not believe this process. Implementing it is a choice.
type Reporter interface {
	// Problems is nothing when all is well. It must be cheap: anybody may ask.
	Problems(ctx context.Context) []Problem
}
