package redisstore

import (
	"hash/fnv"
	"strconv"
)

// indexShards is how many sorted sets names are listed in: enough that at a hundred million names none of them is
// large (1.6 million) and that writes meet on no single node, few enough that a search can ask them all.
const indexShards = 64

// keys names what is stored. All that is of one user shares a slot of Redis Cluster by its hash tag.
type keys struct{ prefix string }

func (k keys) ofUser(id int64, what string) string {
	return k.prefix + ":{" + strconv.FormatInt(id, 10) + "}:" + what
}

func (k keys) user(id int64) string  { return k.ofUser(id, "user") }
func (k keys) inbox(id int64) string { return k.ofUser(id, "inbox") }
func (k keys) dedup(id int64) string { return k.ofUser(id, "dedup") }

func (k keys) account(id int64) string {
	return k.prefix + ":account:{" + strconv.FormatInt(id, 10) + "}"
}

func (k keys) name(name string) string { return k.prefix + ":name:{" + name + "}" }

// index is the sorted set that lists a name.
func (k keys) index(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return k.indexShard(int(h.Sum32() % indexShards))
}

func (k keys) indexShard(n int) string { return k.prefix + ":names:{" + strconv.Itoa(n) + "}" }
