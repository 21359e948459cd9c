package frame

import "math"

// maxLengthBytes is what a varint32 takes at most.
const maxLengthBytes = 5

// Next finds the first frame of buf. payload is the frame without its length and aliases buf; n is how many
// bytes of buf the frame takes with its length. n == 0 without an error means that the frame is not complete.
// limit is the largest payload that is taken; a longer one is refused as soon as its length can be read.
// Lengths that are not in their shortest form are accepted within five bytes, as Netty does.
// Errors: ErrVarint, ErrTooLarge, ErrEmpty; then payload is nil and n is 0.
func Next(buf []byte, limit int) (payload []byte, n int, err error) {
	length, head, err := readLength(buf)
	if err != nil || head == 0 {
		return nil, 0, err
	}
	switch {
	case length == 0:
		return nil, 0, ErrEmpty
	case length > math.MaxInt32 || int64(length) > int64(limit):
		return nil, 0, ErrTooLarge
	case int(length) > len(buf)-head:
		return nil, 0, nil
	}
	n = head + int(length)
	return buf[head:n:n], n, nil
}

// readLength reads the varint in front of buf and says how many bytes it takes: 0 when it is not complete.
func readLength(buf []byte) (length uint64, n int, err error) {
	for i, b := range buf {
		length |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return length, i + 1, nil
		}
		if i == maxLengthBytes-1 {
			return 0, 0, ErrVarint
		}
	}
	return 0, 0, nil
}
