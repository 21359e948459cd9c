package frame

// Ping is a whole frame with its length: the PING of a session with hello, and its answer. It is shared:
// nobody may write into it.
var Ping = []byte{2, 0x18, 2}

// CIMPong is the answer to a PING of CIM, as CIM's server writes it: cmd PING and the text "pong". It is
// shared: nobody may write into it.
var CIMPong = []byte{8, 0x0a, 4, 'p', 'o', 'n', 'g', 0x18, 2}
