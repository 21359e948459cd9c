package token

import (
	"errors"
	"fmt"
)

// Sentinels of checks. Anything wrong with a token is one of the first four.
var (
	ErrInvalid     = errors.New("the token is not valid")
	ErrExpired     = errors.New("the token has expired, or is not valid yet")
	ErrUnknownKey  = fmt.Errorf("%w: its key is not known, or no longer", ErrInvalid)
	ErrWrongServer = errors.New("the ticket is for another server")
	ErrUsed        = errors.New("the ticket has been used")
	ErrFull        = errors.New("too many tickets at once")
	ErrKey         = errors.New("the key file cannot be used")
)
