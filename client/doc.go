// Package client is the Go SDK of CIM: it connects, sends, receives and reconnects, and hands each stored
// message to the application once and in order. It stands on the wire alone: it must not know the server,
// the routing domain or any store.
//
// A Client runs three goroutines: one keeps the connection (and reads it), one writes, one calls the
// Handler. The last is apart from the connection, so a Handler may send and wait for the answer.
package client
