package frame

import (
	"google.golang.org/protobuf/encoding/protowire"

	cimpb "cim/proto"
)

// Numbers of Status's fields; a test holds them against the generated code.
const (
	statusCode         protowire.Number = 1
	statusText         protowire.Number = 2
	statusRetryAfterMs protowire.Number = 3
	statusComeback     protowire.Number = 4
	statusOffline      protowire.Number = 5
)

// Sent says what became of a SEND.
type Sent struct {
	ClientMsgID  uint64     // of the SEND
	Code         cimpb.Code // CodeWritten, CodeStored, or why it was refused
	Cursor                  // where it was stored; zero: nowhere
	RetryAfterMs uint32     // of a refusal; 0: the code needs none
	Offline      bool       // it was stored for a receiver who is not connected
}

// AppendSent appends a SENT frame. The sentence of the code goes with refusals only: nobody reads it when all
// is well, and that is nearly always.
func AppendSent(dst []byte, s *Sent) []byte {
	dst, mark := open(dst, 0)
	dst = appendInt(dst, fieldCmd, cimpb.Command_SENT)
	dst = s.append(dst)
	dst = appendUint(dst, fieldClientMsgID, s.ClientMsgID)
	dst = appendStatus(dst, s)
	return seal(dst, mark, 0)
}

// appendStatus appends field status. Sentence and Comeback are look-ups in constant tables.
func appendStatus(dst []byte, s *Sent) []byte {
	dst = protowire.AppendTag(dst, fieldStatus, protowire.BytesType)
	dst, mark := open(dst, 0)
	dst = appendUint(dst, statusCode, uint64(s.Code))
	if refused(s.Code) {
		dst = appendBytes(dst, statusText, s.Code.Sentence())
		dst = appendUint(dst, statusRetryAfterMs, uint64(s.RetryAfterMs))
		dst = appendInt(dst, statusComeback, s.Code.Comeback())
	}
	if s.Offline {
		dst = appendUint(dst, statusOffline, 1)
	}
	return seal(dst, mark, 0)
}

func refused(code cimpb.Code) bool {
	return code != 0 && code != cimpb.CodeWritten && code != cimpb.CodeStored
}
