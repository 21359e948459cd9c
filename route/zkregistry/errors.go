package zkregistry

import "errors"

// Sentinels. The messages are for a person.
var (
	ErrConfig         = errors.New("zkregistry: the configuration is not usable")
	ErrUnavailable    = errors.New("zkregistry: ZooKeeper does not answer")
	ErrDenied         = errors.New("zkregistry: ZooKeeper denies access")
	ErrInvalidAddress = errors.New("zkregistry: a server needs an instance, a host without slash or blank, and two ports in 1..65535")
	ErrReplaced       = errors.New("zkregistry: another server announced itself at this server's address")
	ErrClosed         = errors.New("zkregistry: closed")
)

// errCallTimeout is the library giving no answer within Config.CallTimeout.
var errCallTimeout = errors.New("zkregistry: a call took too long")
