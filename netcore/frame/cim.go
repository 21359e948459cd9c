package frame

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	cimpb "cim/proto"
)

// Keys of CIM's properties.
const (
	keySendUserID    = "sendUserId"
	keySendUserName  = "sendUserName"
	keyReceiveUserID = "receiveUserId"
)

// Numbers of the fields of a map entry.
const (
	entryKey   protowire.Number = 1
	entryValue protowire.Number = 2
)

// CIMMessage is what a client of CIM is shown. Batch, when there is one, stands in place of Text. It is a
// slice and not an iterator because a call through an unknown function would move the frame's state to the
// heap; a loop keeps one slice and fills it with EachBatch.
type CIMMessage struct {
	Cmd      cimpb.Command // MESSAGE or OFFLINE
	Receiver int64
	From     int64  // 0: an application; then the client is not told of a sender
	FromName []byte // UTF-8
	Text     []byte // UTF-8
	Batch    [][]byte
}

// AppendCIM appends a frame in CIM's own fields, 1 to 5. Its SDK takes the receiver from the properties, and
// throws if they do not name one.
func AppendCIM(dst []byte, m *CIMMessage) []byte {
	atLeast := len(m.Text)
	if len(m.Batch) > 0 {
		atLeast = 0
	}
	dst, mark := open(dst, atLeast)
	if len(m.Batch) == 0 {
		dst = appendBytes(dst, fieldText, m.Text)
	}
	dst = appendInt(dst, fieldUserID, m.Receiver)
	dst = appendInt(dst, fieldCmd, m.Cmd)
	dst = appendSender(dst, m)
	dst = appendIDProperty(dst, keyReceiveUserID, m.Receiver)
	for _, text := range m.Batch {
		dst = appendElement(dst, fieldBatch, text)
	}
	return seal(dst, mark, atLeast)
}

// appendSender names the sender. A client of CIM shows "nobody" for a property that is missing.
func appendSender(dst []byte, m *CIMMessage) []byte {
	if m.From != 0 {
		dst = appendIDProperty(dst, keySendUserID, m.From)
	}
	if len(m.FromName) != 0 {
		dst = appendProperty(dst, keySendUserName, m.FromName)
	}
	return dst
}

func appendIDProperty(dst []byte, key string, id int64) []byte {
	var room [20]byte // the longest int64 with its sign
	return appendProperty(dst, key, strconv.AppendInt(room[:0], id, 10))
}

// appendProperty appends one entry of the map.
func appendProperty(dst []byte, key string, value []byte) []byte {
	dst = protowire.AppendTag(dst, fieldProperties, protowire.BytesType)
	atLeast := len(key) + len(value)
	dst, mark := open(dst, atLeast)
	dst = appendElement(dst, entryKey, key)
	dst = appendElement(dst, entryValue, value)
	return seal(dst, mark, atLeast)
}
