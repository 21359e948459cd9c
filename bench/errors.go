package bench

import "errors"

var (
	// ErrConfig is a configuration that cannot work; the text says which flag to change.
	ErrConfig = errors.New("bench: invalid configuration")
	// ErrUnsupported is a system without epoll.
	ErrUnsupported = errors.New("bench: the client swarm needs Linux")
	// ErrLimits is a limit of this machine that is too low; the text says what to set.
	ErrLimits = errors.New("bench: a limit of this machine is too low")
	// ErrDropped says that connections were lost or never came about. The report is complete.
	ErrDropped = errors.New("bench: connections were dropped")
	// ErrWorker is a worker process that could not do its part at all.
	ErrWorker = errors.New("bench: a worker process failed")
	// ErrServerDied says that a server did not survive an attack. The report is complete.
	ErrServerDied = errors.New("bench: the server died")
	// ErrLost says that what a server had acknowledged never arrived. The report is complete.
	ErrLost = errors.New("bench: acknowledged messages were lost")
	// ErrDoubled says that messages came twice, or behind later ones. The report is complete.
	ErrDoubled = errors.New("bench: messages were doubled or out of order")
	// ErrNothingSent says that a run had nothing to measure. The report is complete.
	ErrNothingSent = errors.New("bench: nothing was sent")
)
