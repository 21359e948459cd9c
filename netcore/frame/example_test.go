package frame_test

import (
	"fmt"

	"cim/netcore/frame"
)

// A read buffer holds a SEND, a PING and the beginning of something else.
func Example() {
	buf := frame.AppendSend(nil, &frame.Send{To: frame.TargetUser, ToID: 42, Text: []byte("hello"), ClientMsgID: 1})
	buf = append(buf, frame.Ping...)
	buf = append(buf, 9)

	var v frame.View
	for {
		payload, n, err := frame.Next(buf, 64<<10)
		if err != nil || n == 0 {
			fmt.Println(len(buf), "byte left:", err)
			return
		}
		if err := v.Parse(payload); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v to %d: %q\n", v.Cmd, v.ToID, v.Text)
		buf = buf[n:]
	}
	// Output:
	// SEND to 42: "hello"
	// PING to 0: ""
	// 1 byte left: <nil>
}
