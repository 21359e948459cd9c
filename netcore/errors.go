package netcore

import "errors"

// Sentinels of the server.
var (
	// ErrAddressInUse comes from Start when another process listens on the address.
	ErrAddressInUse = errors.New("the address is in use")
	// ErrFull comes from Reserve when the connection table is full.
	ErrFull = errors.New("the connection table is full")
	// ErrStopping comes from everything but Stop once the server stops.
	ErrStopping = errors.New("the server stops")
)
