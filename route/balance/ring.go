package balance

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"slices"
	"sort"
	"strconv"

	"cim/route"
)

// virtualNodes is how many keys of a server there are on the ring besides its own. CIM has two, so the
// share of a server is uneven; more would place users elsewhere than CIM does.
const virtualNodes = 2

// hash is CIM's: the first four bytes of the MD5 sum, the lowest first.
func hash(s string) uint32 {
	sum := md5.Sum([]byte(s))
	return binary.LittleEndian.Uint32(sum[:4])
}

// value is what CIM hashes for a server: the name of its node in ZooKeeper.
func value(s route.Server) string {
	return s.Host + ":" + strconv.Itoa(s.Port) + ":" + strconv.Itoa(s.HTTPPort)
}

// ring places servers, by index, on the circle of 32-bit keys. Immutable.
type ring struct {
	points []point // ordered by key
}

type point struct {
	key   uint32
	index int
}

func newRing(values []string) *ring {
	points := make([]point, 0, len(values)*(virtualNodes+1))
	for i, v := range values {
		own := hash(v)
		for n := range virtualNodes {
			points = append(points, point{hash("vir" + strconv.FormatUint(uint64(own), 10) + strconv.Itoa(n)), i})
		}
		points = append(points, point{own, i})
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.key, b.key) })
	return &ring{points}
}

// at is the index of the server whose key follows that of s.
func (r *ring) at(s string) int {
	h := hash(s)
	i := sort.Search(len(r.points), func(i int) bool { return r.points[i].key >= h })
	if i == len(r.points) {
		i = 0
	}
	return r.points[i].index
}
