// Package frame is the codec of the client wire: a varint32 length, then one cimpb.Frame, both ways. It
// must not know sockets, sessions, clocks or limits: every function here is pure, works on the caller's
// slices, and keeps nothing.
//
// The frames that a busy server sees all the time (PING, SEND, ACK, MESSAGE, SENT) are read by View.Parse
// and written by the Append functions by hand, without an allocation. The rare ones (hello, WELCOME, ERROR,
// MOVE, KICK) go through the generated code, see AppendFrame: they come once per connection, and their
// fields change more often than they are worth writing out.
//
// What is written and read is protocol buffers as protobuf.dev/programming-guides/encoding describes it;
// the length in front is that of Netty's ProtobufVarint32LengthFieldPrepender, which CIM uses.
package frame
