package balance

import "errors"

// ErrUnknownName is a strategy that does not exist.
var ErrUnknownName = errors.New("no such way to choose a server")
