// Package netcore is the IM server: it holds connections on gnet event loops, speaks the client wire on
// them, watches for silence, and hands messages over. Who a user is, where others are connected and what
// waits in an inbox it learns from a Backend; it knows no store, no discovery and no HTTP.
//
// Each event loop owns its sessions, its timing wheel and its buffers, and takes no lock for them. Other
// goroutines reach a loop by its door only.
package netcore
