package bench

import "maps"

// SendCounts is what became of the messages of a run.
type SendCounts struct {
	Sent         int64            `json:"sent"`         // SENDs that were written
	Acknowledged int64            `json:"acknowledged"` // by SENT: stored, or written where the run is of QoS 0
	Refused      map[string]int64 `json:"refused,omitempty"`
	Delivered    int64            `json:"delivered"`
	Missing      int64            `json:"missing"`    // acknowledged, and not delivered
	Stranded     int64            `json:"stranded"`   // missing, and the receiver's connection has ended
	Doubled      int64            `json:"doubled"`    // delivered twice under another place in the inbox
	Disordered   int64            `json:"disordered"` // delivered behind a later one, or with a gap in the inbox
	Unwanted     int64            `json:"unwanted"`   // delivered although the SEND was refused
	Repeated     int64            `json:"repeated"`   // same place in the inbox: clients drop these
	Foreign      int64            `json:"foreign"`    // of earlier runs
	BytesOut     int64            `json:"bytes_out"`  // of frames, SENDs and ACKs
	BytesIn      int64            `json:"bytes_in"`
}

// add counts another worker's in.
func (c *SendCounts) add(o SendCounts) {
	c.Sent += o.Sent
	c.Acknowledged += o.Acknowledged
	c.Delivered += o.Delivered
	c.Missing += o.Missing
	c.Stranded += o.Stranded
	c.Doubled += o.Doubled
	c.Disordered += o.Disordered
	c.Unwanted += o.Unwanted
	c.Repeated += o.Repeated
	c.Foreign += o.Foreign
	c.BytesOut += o.BytesOut
	c.BytesIn += o.BytesIn
	for code, n := range o.Refused {
		c.refuse(code, n)
	}
}

func (c *SendCounts) refuse(code string, n int64) {
	if c.Refused == nil {
		c.Refused = map[string]int64{}
	}
	c.Refused[code] += n
}

// clone is a copy that does not change with c.
func (c SendCounts) clone() SendCounts {
	c.Refused = maps.Clone(c.Refused)
	return c
}

func (c *SendCounts) refusals() (n int64) {
	for _, count := range c.Refused {
		n += count
	}
	return n
}

// unanswered is how many SENDs have no SENT.
func (c *SendCounts) unanswered() int64 { return c.Sent - c.Acknowledged - c.refusals() }

// lost is how many acknowledged messages a receiver who was there all the time did not get.
func (c *SendCounts) lost() int64 { return c.Missing - c.Stranded }
