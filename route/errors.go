package route

import "errors"

// Sentinels of the domain. Callers branch with errors.Is; the messages are for a person.
var (
	ErrUnknownUser      = errors.New("no such user")
	ErrNameMismatch     = errors.New("the id belongs to another name")
	ErrInvalidName      = errors.New("names are 1 to 64 bytes of NFC text without control characters, bidi characters and semicolons, and not only digits")
	ErrHeld             = errors.New("the user is connected from another device")
	ErrNoServer         = errors.New("no server can take a connection")
	ErrInboxFull        = errors.New("the receiver's inbox is full")
	ErrStoreUnavailable = errors.New("the store does not answer")
	ErrDiskFull         = errors.New("the disk is full")
	ErrOffline          = errors.New("the receiver is not connected")
	ErrSlow             = errors.New("the receiver reads too slowly")
	ErrOverloaded       = errors.New("too much is waiting")
	ErrInvalidCursor    = errors.New("the page cursor is not one that was given out")
	ErrBadCredentials   = errors.New("the user and the secret do not belong together")
	ErrReplacedSecret   = errors.New("the secret has been replaced since")
	ErrDisabled         = errors.New("the account is disabled")
	ErrInvalidBody      = errors.New("the message needs text, a batch of texts or a payload, and only one of them")
)
