package frame

import "errors"

// Sentinels. A peer that causes one of the first five cannot be understood any more: the connection has to
// end. They are returned as they are, so that no error costs memory.
var (
	// ErrVarint: the length in front of a frame does not end within five bytes.
	ErrVarint = errors.New("frame: the length takes more than five bytes")
	// ErrTooLarge: the length is over the limit, or over what a varint32 may say.
	ErrTooLarge = errors.New("frame: the frame is over the limit")
	// ErrEmpty: a frame of length zero. Read as protobuf it would be a LOGIN of nobody.
	ErrEmpty = errors.New("frame: the frame is empty")
	// ErrMalformed: the payload is not a protocol buffer, or has groups, which the wire does without.
	ErrMalformed = errors.New("frame: the frame is malformed")
	// ErrUTF8: a string is not UTF-8. Passed on, it would make the whole frame unreadable to its receivers.
	ErrUTF8 = errors.New("frame: a string is not UTF-8")
)
