package frame

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
)

// AppendFrame appends any frame by way of the generated code: for those that come once per connection, and
// for clients that do not care. It allocates.
// Errors: ErrUTF8; ErrEmpty for a frame without a field. dst comes back as it was.
func AppendFrame(dst []byte, f *cimpb.Frame) ([]byte, error) {
	size := proto.Size(f)
	if size == 0 {
		return dst, ErrEmpty
	}
	next := protowire.AppendVarint(dst, uint64(size))
	next, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(next, f)
	if err != nil {
		// Bad UTF-8 is the only way for a frame to fail: it has no required fields.
		return dst, fmt.Errorf("%w: %w", ErrUTF8, err)
	}
	return next, nil
}
