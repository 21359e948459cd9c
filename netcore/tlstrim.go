package netcore

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// trimAbove is what a buffer of crypto/tls may keep for an idle connection, in bytes. A heartbeat needs about
// 600, and must not cost an allocation each time.
const trimAbove = 1024

// tlsBuffers are where tls.Conn keeps its read buffers. They never shrink: each connection would keep the size
// of its ClientHello, 3.5 KB in two buffers, or of the largest record it ever sent, over 16 KB. crypto/tls has
// no call for it, so the fields are found by name and type; where they are not found, nothing is trimmed.
var tlsBuffers = bufferFields("rawInput", "hand")

func bufferFields(names ...string) (offsets []uintptr) {
	for _, name := range names {
		f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
		if ok && f.Type == reflect.TypeFor[bytes.Buffer]() {
			offsets = append(offsets, f.Offset)
		}
	}
	return offsets
}

// trimTLS drops large buffers with nothing in them. Nobody may be using c, and its last Read must have found
// no record: then c has no plaintext either, which would stand in the same memory.
func trimTLS(c *tls.Conn) {
	for _, offset := range tlsBuffers {
		b := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), offset))
		if b.Len() == 0 && b.Cap() > trimAbove {
			*b = bytes.Buffer{}
		}
	}
}
