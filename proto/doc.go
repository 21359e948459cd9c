// Package cimpb is the contract of CIM: the frames between clients and servers (cim.proto), those between
// the servers of a cluster (peer.proto) and the table of status codes. It knows nothing of connections or
// stores. Regenerate with make proto.
package cimpb
