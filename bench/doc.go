// Package bench loads a server with many client connections and says what it saw: scenarios, the client
// swarm on epoll, worker processes, histograms and the report. It speaks HTTP and the client wire like any
// client, so that it measures any server of that protocol; it must not link a server or a store.
//
// A run has two kinds of process. The parent registers accounts, splits the connections over worker
// processes, because one process may open only so many files, and writes the report. A worker holds its
// connections in one epoll loop, without a goroutine, a timer or a buffer per connection. They talk JSON
// lines over the worker's stdin and stdout, and a worker ends when its stdin does.
//
// An attack (Hostile) has other workers: theirs have a goroutine per connection, at low priority, and crypto/tls.
// Who measures then is the parent, whose honest users ping and write to each other all the time.
//
// Coordinated omission: a heartbeat's round trip is counted from the moment at which the PING was due by the
// schedule, not from its write. A swarm or a server that stalls therefore shows in the percentiles with all
// heartbeats that the stall held up.
package bench
