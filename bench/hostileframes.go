package bench

import (
	"math/rand/v2"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// Field numbers of a Frame that mutations name.
const (
	fieldText       = 1
	fieldProperties = 4
	fieldBatch      = 5
	fieldFromName   = 9
	fieldUnknown    = 1999
)

// honestFrames are payloads as clients write them: what mutations begin with.
func honestFrames(user int64) [][]byte {
	send := frame.Send{To: frame.TargetUser, ToID: user, Text: []byte("mutate me, Zoë"), ClientMsgID: 7, QoS: cimpb.QoS_AT_LEAST_ONCE}
	device := frame.Send{To: frame.TargetUser, ToID: user, Payload: []byte{0, 1, 2, 0xff}, ClientMsgID: 8}
	at := frame.Cursor{LogEpoch: 3, Seq: 9}
	frames := [][]byte{
		frame.Ping, frame.AppendSend(nil, &send), frame.AppendSend(nil, &device),
		frame.AppendAck(nil, at), frame.AppendSync(nil, at),
		frame.AppendCIM(nil, &frame.CIMMessage{Cmd: cimpb.Command_OFFLINE, Receiver: user, Batch: [][]byte{{'a'}, {'b'}}}),
	}
	for _, f := range []*cimpb.Frame{
		helloFrame(user, "ticket", 30_000),
		{Cmd: cimpb.Command_LOGIN, UserId: user, Text: "nobody"},
		{Cmd: cimpb.Command_PING, UserId: user, Text: "ping"},
		{Cmd: cimpb.Command_KICK, Seq: 5, Status: &cimpb.Status{Code: 300, Text: "no"}},
	} {
		b, err := frame.AppendFrame(nil, f)
		if err != nil {
			panic("bench: a frame of our own is not right: " + err.Error())
		}
		frames = append(frames, b)
	}
	for i, f := range frames {
		payload, _, err := frame.Next(f, frameLimit)
		if err != nil {
			panic("bench: a frame of our own is not right: " + err.Error())
		}
		frames[i] = payload
	}
	return frames
}

// helloFrame is a LOGIN of this protocol.
func helloFrame(user int64, ticket string, heartbeatMs uint32) *cimpb.Frame {
	return &cimpb.Frame{
		Cmd: cimpb.Command_LOGIN, UserId: user,
		Hello: &cimpb.Hello{Version: protocolNumber, Token: ticket, Device: deviceName, HeartbeatMs: heartbeatMs},
	}
}

// mutator makes bytes that a server should not trust. The same seed makes the same bytes. It
// is not safe for concurrent use.
type mutator struct {
	pcg   *rand.PCG
	rnd   *rand.Rand
	bases [][]byte
}

func newMutator(user int64) *mutator {
	pcg := rand.NewPCG(0, 0)
	return &mutator{pcg: pcg, rnd: rand.New(pcg), bases: honestFrames(user)}
}

// seed decides what next makes.
func (m *mutator) seed(seed, stream uint64) { m.pcg.Seed(seed, stream) }

// mutations are the ways in which a payload goes wrong; each returns the bytes of one or more frames, lengths
// included. Their names are those of the report.
var mutations = []struct {
	name string
	make func(m *mutator, payload []byte) []byte
}{
	{"bits", (*mutator).flipBits},
	{"truncated", (*mutator).truncate},
	{"length", (*mutator).lieAboutLength},
	{"repeated", (*mutator).repeatFields},
	{"varint", (*mutator).hugeVarint},
	{"utf8", (*mutator).badUTF8},
	{"batch", (*mutator).batch},
	{"spliced", (*mutator).splice},
	{"noise", (*mutator).noise},
	{"nested", (*mutator).nest},
	{"valid", (*mutator).valid},
}

// next makes the bytes of one frame and says which mutation it was.
func (m *mutator) next() (kind int, b []byte) {
	kind = m.rnd.IntN(len(mutations))
	base := m.bases[m.rnd.IntN(len(m.bases))]
	return kind, mutations[kind].make(m, append([]byte(nil), base...))
}

// framed puts the right length in front.
func framed(payload []byte) []byte { return protowire.AppendBytes(nil, payload) }

func (m *mutator) valid(p []byte) []byte { return framed(p) }

func (m *mutator) flipBits(p []byte) []byte {
	b := framed(p)
	for range 1 + m.rnd.IntN(4) {
		b[m.rnd.IntN(len(b))] ^= 1 << m.rnd.IntN(8)
	}
	return b
}

func (m *mutator) truncate(p []byte) []byte {
	return framed(p[:m.rnd.IntN(len(p))])
}

// lieAboutLength says more or less than there is, up to lengths that no varint32 may have.
func (m *mutator) lieAboutLength(p []byte) []byte {
	lengths := []uint64{
		0, 1, uint64(len(p)) - 1, uint64(len(p)) + 1, uint64(m.rnd.IntN(1 << 16)), 64<<10 + 1, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 35, 1<<64 - 1,
	}
	return append(protowire.AppendVarint(nil, lengths[m.rnd.IntN(len(lengths))]), p...)
}

func (m *mutator) repeatFields(p []byte) []byte {
	var many []byte
	for range 1 + m.rnd.IntN(1<<m.rnd.IntN(11)) {
		if len(many)+len(p) > 60<<10 {
			break
		}
		many = append(many, p...)
	}
	return framed(append(many, p...))
}

func (m *mutator) hugeVarint(p []byte) []byte {
	field := protowire.Number(1 + m.rnd.IntN(20))
	p = protowire.AppendTag(p, field, protowire.VarintType)
	for range 1 + m.rnd.IntN(14) {
		p = append(p, 0x80|byte(m.rnd.IntN(128)))
	}
	return framed(append(p, byte(m.rnd.IntN(128))))
}

func (m *mutator) badUTF8(p []byte) []byte {
	bad := []string{"\xff", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf", "ok\x80"}
	field := []protowire.Number{fieldText, fieldProperties, fieldBatch, fieldFromName}[m.rnd.IntN(4)]
	text := bad[m.rnd.IntN(len(bad))]
	p = protowire.AppendTag(p, field, protowire.BytesType)
	return framed(protowire.AppendString(p, text))
}

// batch is the field of many texts, which stands for more memory than it takes on the wire.
func (m *mutator) batch(p []byte) []byte {
	text := strings.Repeat("x", m.rnd.IntN(3))
	for range 1 << m.rnd.IntN(14) {
		p = protowire.AppendTag(p, fieldBatch, protowire.BytesType)
		p = protowire.AppendString(p, text)
	}
	return framed(p)
}

func (m *mutator) splice(p []byte) []byte {
	other := m.bases[m.rnd.IntN(len(m.bases))]
	at := m.rnd.IntN(len(p) + 1)
	return framed(append(p[:at:at], other[m.rnd.IntN(len(other)):]...))
}

func (m *mutator) noise([]byte) []byte {
	b := make([]byte, 1+m.rnd.IntN(1<<m.rnd.IntN(12)))
	for i := range b {
		b[i] = byte(m.rnd.Uint32())
	}
	return b
}

// nest wraps groups and messages into each other, which costs a careless reader its stack.
func (m *mutator) nest(p []byte) []byte {
	if m.rnd.IntN(2) == 0 {
		for range 1 + m.rnd.IntN(2000) {
			p = protowire.AppendTag(p, fieldUnknown, protowire.StartGroupType)
		}
		return framed(p)
	}
	inner := p
	for range 1 + m.rnd.IntN(200) {
		inner = protowire.AppendBytes(protowire.AppendTag(nil, 1+protowire.Number(m.rnd.IntN(20)), protowire.BytesType), inner)
	}
	return framed(append(p, inner...))
}

// breakRecord is a TLS record that is not quite right, or not all there.
func (m *mutator) breakRecord(record []byte) []byte {
	b := append([]byte(nil), record...)
	for range 1 + m.rnd.IntN(8) {
		b[m.rnd.IntN(len(b))] ^= 1 << m.rnd.IntN(8)
	}
	if m.rnd.IntN(2) == 0 {
		return b
	}
	return b[:1+m.rnd.IntN(len(b))]
}
