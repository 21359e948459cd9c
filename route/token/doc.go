// Package token makes and checks the two tokens of CIM: access tokens, by which a user speaks to a route,
// and tickets, by which a connection becomes a session. Both are JWTs (RFC 7519) signed with Ed25519
// (RFC 8037). Routes sign; servers only need to check. It knows neither HTTP nor connections nor stores.
package token
