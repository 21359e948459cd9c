package bench

import "maps"

// hostileJob is what an attacking process has to know; it reads it from its stdin.
type hostileJob struct {
	Route      string    `json:"route"`
	Target     string    `json:"target"`
	TLS        bool      `json:"tls"`
	TLSCA      string    `json:"tls_ca,omitempty"`
	Seed       uint64    `json:"seed"`
	Process    int       `json:"process"` // from 0
	Nice       int       `json:"nice"`
	Background bool      `json:"background,omitempty"`
	Frames     int       `json:"frames"`
	Rate       float64   `json:"rate"` // of frames
	Dribble    int       `json:"dribble"`
	Stall      int       `json:"stall"`
	Silent     int       `json:"silent"`
	Connects   float64   `json:"connects"` // a second, of the three above
	Insiders   []account `json:"insiders"`
}

// hostileTally is what an attacking process has done. It writes one a second to its stdout.
type hostileTally struct {
	Frames  map[string]int64 `json:"frames"` // written, by mutation
	Bytes   int64            `json:"bytes"`  // of those
	Opened  map[string]int64 `json:"opened"` // connections, by what they were for
	Failed  map[string]int64 `json:"failed"` // connections and logins that did not come about, by reason
	Closed  int64            `json:"closed"` // connections that the server ended
	Logins  int64            `json:"logins"` // of insiders, up to WELCOME
	Held    int64            `json:"held"`   // dribbling, stalling and silent connections now
	AllSent bool             `json:"all_sent"`
	Error   string           `json:"error,omitempty"` // why the process could not begin
}

func newHostileTally() hostileTally {
	return hostileTally{Frames: map[string]int64{}, Opened: map[string]int64{}, Failed: map[string]int64{}, AllSent: true}
}

// add counts another process's tally in.
func (t *hostileTally) add(o hostileTally) {
	addCounts(t.Frames, o.Frames)
	addCounts(t.Opened, o.Opened)
	addCounts(t.Failed, o.Failed)
	t.Bytes += o.Bytes
	t.Closed += o.Closed
	t.Logins += o.Logins
	t.Held += o.Held
	t.AllSent = t.AllSent && o.AllSent
}

func addCounts(to, from map[string]int64) {
	for name, n := range from {
		to[name] += n
	}
}

func total(counts map[string]int64) (n int64) {
	for c := range maps.Values(counts) {
		n += c
	}
	return n
}

// jobs splits the attack over the processes.
func (c *HostileConfig) jobs(target string, insiders []account) []hostileJob {
	jobs := make([]hostileJob, c.Processes)
	for p := range jobs {
		part := func(n int) int { return split(n, c.Processes)[p].Count }
		jobs[p] = hostileJob{
			Route: c.Route, Target: target, TLS: c.TLS, TLSCA: c.TLSCA, Seed: c.Seed, Process: p, Nice: c.Nice, Background: c.Background,
			Frames: part(c.Frames), Rate: c.Rate / float64(c.Processes), Connects: c.Connects / float64(c.Processes),
			Dribble: part(c.Dribble), Stall: part(c.Stall), Silent: part(c.Silent),
		}
	}
	for i, u := range insiders {
		p := i % c.Processes
		jobs[p].Insiders = append(jobs[p].Insiders, u)
	}
	return jobs
}
