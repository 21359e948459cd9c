package token

import (
	"errors"
	"fmt"
	"time"
)

// Sentinels of checks. Anything wrong with a token is one of the first five.
var (
	ErrInvalid     = errors.New("the token is not valid")
	ErrExpired     = errors.New("the token has expired")
	ErrTooEarly    = errors.New("the token is not valid yet")
	ErrUnknownKey  = fmt.Errorf("%w: its key is not known, or no longer", ErrInvalid)
	ErrWrongServer = errors.New("the ticket is for another server")
	ErrUsed        = errors.New("the ticket has been used")
	ErrFull        = errors.New("too many tickets at once")
	ErrKey         = errors.New("the key file cannot be used")
)

// EarlyError is ErrTooEarly, and says how long there is to wait.
type EarlyError struct{ Wait time.Duration }

func (e *EarlyError) Error() string { return fmt.Sprintf("%v, for %v", ErrTooEarly, e.Wait) }

// Unwrap makes it an ErrTooEarly.
func (e *EarlyError) Unwrap() error { return ErrTooEarly }
