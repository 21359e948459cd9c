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
)

// Sent says what became of a SEND.
type Sent struct {
	ClientMsgID  uint64     // of the SEND
	Code         cimpb.Code // CodeWritten, CodeStored, or why it was refused
	Cursor                  // where it was stored; zero: nowhere
	RetryAfterMs uint32     // of a refusal; 0: the code needs none
}

// AppendSent appends a SENT frame. The sentence of the code goes with refusals only: nobody reads it when all
// is well, and that is nearly always.
func AppendSent(dst []byte, s *Sent) []byte {
	dst, mark := open(dst, 0)
	dst = appendInt(dst, fieldCmd, cimpb.Command_SENT)
	dst = s.append(dst)
	dst = appendUint(dst, fieldClientMsgID, s.ClientMsgID)
	dst = appendStatus(dst, s.Code, s.RetryAfterMs)
	return seal(dst, mark, 0)
}

// appendStatus appends field status. Sentence and Comeback are look-ups in constant tables.
func appendStatus(dst []byte, code cimpb.Code, retryAfterMs uint32) []byte {
	dst = protowire.AppendTag(dst, fieldStatus, protowire.BytesType)
	dst, mark := open(dst, 0)
	dst = appendUint(dst, statusCode, uint64(code))
	if refused(code) {
		dst = appendBytes(dst, statusText, code.Sentence())
		dst = appendUint(dst, statusRetryAfterMs, uint64(retryAfterMs))
		dst = appendInt(dst, statusComeback, code.Comeback())
	}
	return seal(dst, mark, 0)
}

func refused(code cimpb.Code) bool {
	return code != 0 && code != cimpb.CodeWritten && code != cimpb.CodeStored
}
