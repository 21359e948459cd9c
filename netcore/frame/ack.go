package frame

import (
	"google.golang.org/protobuf/encoding/protowire"

	cimpb "cim/proto"
)

// AppendAck appends an ACK frame: everything up to c has been handled.
func AppendAck(dst []byte, c Cursor) []byte { return appendPlace(dst, cimpb.Command_ACK, c) }

// AppendSync appends a client's SYNC frame: send again from above c.
func AppendSync(dst []byte, c Cursor) []byte { return appendPlace(dst, cimpb.Command_SYNC, c) }

// appendPlace appends a frame that is a command and a Cursor; every command takes one byte as a varint.
func appendPlace(dst []byte, cmd cimpb.Command, c Cursor) []byte {
	dst = protowire.AppendVarint(dst, uint64(2+c.size()))
	dst = appendInt(dst, fieldCmd, cmd)
	return c.append(dst)
}
