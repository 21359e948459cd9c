package netcore

import (
	"runtime"
	"time"
)

// Limits of one server. Those that a deployment may want to change are fields of Config, with these
// defaults.
const (
	defaultMaxFrame     = 64 << 10         // bytes, without the length prefix
	defaultIdleTimeout  = 90 * time.Second // CIM's clients ping each minute at the latest
	defaultLoginTimeout = 10 * time.Second // from accept to a complete LOGIN, and again for its claim
	hastyLoginTimeout   = time.Second      // the same while half the table is not logged in
	defaultFrameTimeout = 30 * time.Second // from a frame's first byte to its last
	defaultMinHeartbeat = 10 * time.Second
	defaultMaxHeartbeat = time.Hour
	defaultSendCredit   = 32 // SENDs without a SENT, per session
	defaultSweepTurn    = 15 * time.Minute
	defaultAdmitRate    = 3400      // logins a second: the 200,000 users of a server that failed are back within 60 s
	defaultSoftOutbound = 256 << 10 // bytes waiting for one connection: QoS 0 is dropped, stored messages wait
	defaultHardOutbound = 1 << 20   // bytes waiting for one connection: it is closed
	defaultTick         = time.Second

	heartbeatsPerIdle = 2.5 // a session may miss two heartbeats, with jitter

	partialBudget = 64 << 20 // bytes of incomplete frames, per loop

	doorLimit      = 1 << 16  // tasks waiting for one loop
	doorBytes      = 32 << 20 // that those tasks hold
	doorBudget     = 512      // tasks in one round of a loop
	walkBudget     = 256      // sessions that one round writes broadcasts to
	broadcastBytes = 1 << 20  // broadcasts waiting for one loop
	awaitedBytes   = 64 << 10 // of them, kept for who is logging in: a store that stalls must not fill the log for others
	outboxKeep     = 64 << 10

	laneBatch       = 256
	sessionWorkers  = 4
	sendWorkers     = 4
	ackWorkers      = 1
	backlogWorkers  = 4
	sendLaneLimit   = 1 << 15
	laneBytes       = 16 << 20 // of bodies that wait for one worker
	ackLaneLimit    = 1 << 16
	ackGather       = 20 * time.Millisecond // ACKs of so long go to the store together; a kill may cost them, which repeats messages
	backlogLimit    = 1 << 16
	backendTimeout  = 10 * time.Second
	releaseTime     = 5 * time.Second // that a stop takes to release its sessions
	backlogMessages = 128
	backlogBytes    = 128 << 10
	retryBacklog    = 50 * time.Millisecond // a session that is behind looks again after so long

	sweepSlots = 256             // slots that a sweep looks at in one go, and sessions in one call of the Backend
	sweepRetry = time.Second     // after the Backend could not say
	longPause  = 5 * time.Second // of the process; others may have taken its users for lost

	drainStep    = 50 * time.Millisecond
	moveWithinMs = 1000 // in which a client that is moved logs in elsewhere

	expectedFor     = 10 * time.Second // that a place is kept for somebody who was told to come
	admissionWithin = 60 * time.Second // the latest that somebody is told to come
	admissionRing   = 72               // seconds: the two together, and room for the one that is running

	cimBatchBytes = 32 << 10 // texts gathered into one OFFLINE frame of CIM

	reservationTime   = 30 * time.Second
	reservationFrames = 64        // messages that are not stored, kept for a user who is about to connect
	reservationBytes  = 256 << 10 // of those messages; what a connection would be allowed to have waiting

	handshakeLimit = 2048      // TLS handshakes under way; one takes about 30 KB
	handshakeBytes = 256 << 10 // that came for one handshake and that it has not read; certificates may be long

	// Bytes of records without plaintext, such as key updates, in a row. crypto/tls keeps the beginning of a message of
	// the handshake, which may be 256 KiB, in every connection and for ever.
	maxSilentRecords = 4 << 10
	keepSpare        = 1 << 10 // bytes that the buffer of an incomplete frame may have to spare

	retrySoonMs = 1000 // retry-after of what is overloaded
)

// Token buckets of one session, in sends a second and in sends at once.
const (
	sendRate, sendBurst         = 500, 1000
	everyoneRate, everyoneBurst = 20, 100
)

// handshakeWorkers is how many TLS handshakes compute at a time: half of the cores stay for the loops.
func handshakeWorkers() int { return max(1, runtime.NumCPU()/2) }
