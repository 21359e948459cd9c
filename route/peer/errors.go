package peer

import "errors"

var (
	// ErrConfig is a configuration that cannot work.
	ErrConfig = errors.New("peer: invalid configuration")
	// ErrSecrets is a text that is no cluster secret.
	ErrSecrets = errors.New("the cluster secret has to be a line of at least 32 bytes, and the second line, if there is one, the other secret that counts (make one with: openssl rand -base64 32)")
	// ErrUnanswered is a server that did not answer in time, or has not answered since.
	ErrUnanswered = errors.New("the server does not answer")
	// ErrRefused is a server that does not take our requests: it has another secret or another clock, or is overloaded.
	ErrRefused = errors.New("the server refuses the servers of this cluster")
	// ErrWrongInstance is another server at the address of the one that was meant.
	ErrWrongInstance = errors.New("another server has taken over that address")
	// ErrBadReply is an answer that the server cannot have given.
	ErrBadReply = errors.New("the server's answer does not belong to the question")
	// ErrTooLarge is a message that no batch has room for.
	ErrTooLarge = errors.New("the message is larger than what servers send each other")
	// ErrClosed is a call after Close, or for a server that has left.
	ErrClosed = errors.New("the connection to the server has ended")
)
