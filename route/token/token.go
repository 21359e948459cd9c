package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Lifetimes. A ticket is used at once; its window is for admission that is spread over time.
const (
	AccessTime = 15 * time.Minute
	TicketTime = 60 * time.Second
	clockSkew  = 5 * time.Second // between a route's clock and a server's
)

const (
	audienceRoute  = "route"
	audienceServer = "server"
)

// Access is what an access token says.
type Access struct {
	User       int64
	Generation uint64 // of the user's secret, when it was issued
	Issued     time.Time
	Expires    time.Time
}

// Ticket lets one device of one user connect to one server, once.
type Ticket struct {
	User     int64
	Device   string
	Instance string // of the server
	// Generation is that of the user's secret: a ticket of an earlier one no longer counts.
	Generation uint64
	NotBefore  time.Time
	ID         string // random
	Expires    time.Time
}

type claims struct {
	jwt.RegisteredClaims
	Device   string `json:"dev,omitempty"`
	Instance string `json:"srv,omitempty"`
	// Generation is no time, because clocks of two routes differ.
	Generation uint64 `json:"gen,omitempty"`
}

// Access signs an access token for a user and the generation of their secret.
func (k *Keys) Access(user int64, generation uint64, now time.Time) (token string, expires time.Time, err error) {
	expires = now.Add(AccessTime)
	token, err = k.sign(claims{Generation: generation, RegisteredClaims: jwt.RegisteredClaims{
		Audience: jwt.ClaimStrings{audienceRoute}, Subject: strconv.FormatInt(user, 10),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
	}})
	return token, expires, err
}

// Ticket signs a ticket; a zero NotBefore means now. ID and Expires are set by it.
func (k *Keys) Ticket(t Ticket, now time.Time) (string, error) {
	if t.NotBefore.IsZero() {
		t.NotBefore = now
	}
	return k.sign(claims{
		RegisteredClaims: jwt.RegisteredClaims{
			ID: rand.Text(), Audience: jwt.ClaimStrings{audienceServer}, Subject: strconv.FormatInt(t.User, 10),
			NotBefore: jwt.NewNumericDate(t.NotBefore), ExpiresAt: jwt.NewNumericDate(t.NotBefore.Add(TicketTime)),
		},
		Device: t.Device, Instance: t.Instance, Generation: t.Generation,
	})
}

func (k *Keys) sign(c claims) (string, error) {
	set := k.current.Load()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c)
	t.Header["kid"] = set.id
	if set.signing == nil {
		return "", fmt.Errorf("%w: it only checks", ErrKey)
	}
	signed, err := t.SignedString(set.signing)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed, nil
}

// CheckAccess returns whose access token it is, and since when. That its generation is still the account's is the
// caller's business. Errors: ErrInvalid, ErrExpired.
func (k *Keys) CheckAccess(token string, now time.Time) (Access, error) {
	c, err := k.check(token, audienceRoute, now)
	if err != nil {
		return Access{}, err
	}
	user, err := userOf(c)
	if err != nil || c.IssuedAt == nil {
		return Access{}, ErrInvalid
	}
	return Access{User: user, Generation: c.Generation, Issued: c.IssuedAt.Time, Expires: c.ExpiresAt.Time}, nil
}

// CheckTicket returns what a ticket is for; that it is used once is the business of Used.
// Errors: ErrInvalid, ErrExpired, ErrTooEarly (as *EarlyError), ErrWrongServer.
func (k *Keys) CheckTicket(token, instance string, now time.Time) (Ticket, error) {
	c, err := k.check(token, audienceServer, now)
	if err != nil {
		return Ticket{}, err
	}
	user, err := userOf(c)
	switch {
	case err != nil:
		return Ticket{}, err
	case c.ID == "" || c.NotBefore == nil:
		return Ticket{}, ErrInvalid
	case c.Instance != instance:
		return Ticket{}, ErrWrongServer
	}
	return Ticket{
		User: user, Device: c.Device, Instance: c.Instance, Generation: c.Generation, ID: c.ID,
		NotBefore: c.NotBefore.Time, Expires: c.ExpiresAt.Time,
	}, nil
}

func (k *Keys) check(token, audience string, now time.Time) (*claims, error) {
	set := k.current.Load()
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		if public, ok := set.public[id]; ok {
			return public, nil
		}
		return nil, ErrUnknownKey
	},
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(clockSkew), jwt.WithTimeFunc(func() time.Time { return now }))
	switch {
	case err == nil:
		return &c, nil
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, ErrExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet) && c.NotBefore != nil:
		return nil, &EarlyError{c.NotBefore.Sub(now)}
	case errors.Is(err, ErrUnknownKey):
		return nil, ErrUnknownKey
	}
	return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
}

func userOf(c *claims) (int64, error) {
	user, err := strconv.ParseInt(c.Subject, 10, 64)
	if err != nil || user <= 0 {
		return 0, ErrInvalid
	}
	return user, nil
}
