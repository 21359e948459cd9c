package route

import "context"

// Problem is a dependency that does not work at the moment.
type Problem struct {
	Component string // what is broken: store, registry, server
	Detail    string // why, for a person
}

// Reporter is an Inbox that can say that it refuses what it is asked to store although it answers, such as while a
// disk is full. Implementing it is a choice.
type Reporter interface {
	// Problems is nothing when all is well. It must be cheap: anybody may ask.
	Problems(ctx context.Context) []Problem
}
