package netcore

import "errors"

// errNoAnswer stands for what a Backend left out.
var errNoAnswer = errors.New("the backend gave no answer")

// Sentinels of the server.
var (
	// ErrAddressInUse comes from Start when another process listens on the address.
	ErrAddressInUse = errors.New("the address is in use")
	// ErrFull comes from Reserve and Expect when the connection table is full.
	ErrFull = errors.New("the connection table is full")
	// ErrBusy comes from Expect when others are to come until too late.
	ErrBusy = errors.New("too many users are about to log in")
	// ErrStopping comes from everything but Stop once the server stops, and from what would bring users once it drains.
	ErrStopping = errors.New("the server stops")
)
