package routes

import "time"

// Limits, each with its reason. The two times hold while another route is left to ask; the last one has all the time
// that the caller gives.
const (
	maxAnswer     = 4 << 20          // bytes; 1,000 accounts take about 200 KiB
	connectWithin = 3 * time.Second  // to a machine that is gone nothing comes back; a lost SYN is repeated after 1 s
	answerWithin  = 15 * time.Second // a route waits for its store, and says so, in less
)
