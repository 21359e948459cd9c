package auth

import "errors"

// Sentinels besides those of package token. The messages are for a log.
var (
	ErrUnauthorized = errors.New("the credential does not count")
	ErrOtherUser    = errors.New("the ticket is another user's")
	ErrOtherDevice  = errors.New("the ticket is for another device")
	ErrKeyFile      = errors.New("the file holds no application key")
)
