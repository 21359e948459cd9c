package bench

import (
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// share is the part of a run that one worker has: the connections First, First+Step, First+2*Step and so on.
// Interleaving keeps each worker's heartbeats spread over the whole period.
type share struct {
	First int `json:"first"`
	Step  int `json:"step"`
	Count int `json:"count"`
}

// index is the place in the whole run of the share's i-th connection.
func (s share) index(i int) int { return s.First + i*s.Step }

// split gives each worker its share; they differ by one connection at most.
func split(connections, workers int) []share {
	shares := make([]share, workers)
	for w := range shares {
		shares[w] = share{First: w, Step: workers, Count: (connections - w + workers - 1) / workers}
	}
	return shares
}

// schedule says when the heartbeats of a share are due, counted from the start of the run: connection i of
// total has its PINGs at i/total of each period. Heartbeats of a share are numbered in the order in which
// they are due, across all its connections.
type schedule struct {
	period time.Duration
	total  int
	share  share
}

// conn is which of the share's connections the k-th heartbeat belongs to.
func (s schedule) conn(k int64) int { return int(k % int64(s.share.Count)) }

// due is when the k-th heartbeat is to be sent.
func (s schedule) due(k int64) time.Duration {
	return time.Duration(k/int64(s.share.Count))*s.period + s.phase(s.conn(k))
}

// phase is a float's product: period times index overflows an int64 for a million connections and an hour.
func (s schedule) phase(i int) time.Duration {
	return time.Duration(float64(s.period) * (float64(s.share.index(i)) / float64(s.total)))
}

// next is the first heartbeat that is due at now or after it.
func (s schedule) next(now time.Duration) int64 {
	round := int64(now / s.period)
	within := now % s.period
	i := sort.Search(s.share.Count, func(i int) bool { return s.phase(i) >= within })
	return round*int64(s.share.Count) + int64(i)
}

// connsPerSource keeps the kernel's search for a free port short: it slows down as a source address fills.
const connsPerSource = 1000

// sourceAddr is the loopback address that a connection of the run comes from.
func sourceAddr(index int) [4]byte {
	s := index / connsPerSource
	return [4]byte{127, byte(1 + s/(250*250)), byte(s / 250 % 250), byte(1 + s%250)}
}

// silentOnes chooses which connections stop their heartbeats; the same seed chooses the same ones.
func silentOnes(silent, connections int, seed uint64) []int {
	chosen := rand.New(rand.NewPCG(seed, 0)).Perm(connections)[:silent]
	slices.Sort(chosen)
	return chosen
}

// silentOf picks those of the chosen that belong to a share, as places within it.
func silentOf(s share, chosen []int) []int {
	var mine []int
	for _, index := range chosen {
		if index%s.Step == s.First {
			mine = append(mine, (index-s.First)/s.Step)
		}
	}
	return mine
}
