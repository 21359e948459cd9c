package redisstore

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// library is what Redis runs for the store: Lua functions, each of which is one step there. They are a library of Redis 7
// rather than scripts because functions keep something from one call to the next, see history in lua/inbox.lua, and cost
// less: a script makes its own functions anew for each call. A node that does not know the library is sent it.
var library = newLibrary()

// function is the name of one of them.
type function string

var (
	appendFunction   = library.name("append")
	ackFunction      = library.name("ack")
	readFunction     = library.name("read")
	claimFunction    = library.name("claim")
	releaseFunction  = library.name("release")
	renewFunction    = library.name("renew")
	reserveFunction  = library.name("reserve")
	createFunction   = library.name("create")
	completeFunction = library.name("complete")
	secretFunction   = library.name("secret")
	disableFunction  = library.name("disable")
)

// Those that free memory or are needed to free it run when Redis is at its maxmemory too; the others are then refused
// before they have changed anything.
const (
	anyMemory  = "'allow-oom'"
	freeMemory = ""
	readOnly   = "'no-writes'"
)

// libraryPart is a function, which lua/NAME.lua defines, with its flags.
type libraryPart struct{ name, flags string }

// parts are all of them. lua/inbox.lua is what they share.
var parts = []libraryPart{
	{"append", freeMemory},
	{"ack", anyMemory},
	{"read", readOnly},
	{"claim", anyMemory},
	{"release", anyMemory},
	{"renew", anyMemory},
	{"reserve", freeMemory},
	{"create", freeMemory},
	{"complete", freeMemory},
	{"secret", anyMemory},
	{"disable", anyMemory},
}

//go:embed lua/*.lua
var luaFiles embed.FS

// luaLibrary is the source of a library and what its names end with: the hash of the source, so that processes of two
// versions do not replace each other's.
type luaLibrary struct{ source, hash string }

func newLibrary() luaLibrary {
	text := readLua("inbox")
	for _, p := range parts {
		text += readLua(p.name)
	}
	sum := sha256.Sum256([]byte(text))
	l := luaLibrary{hash: hex.EncodeToString(sum[:6])}
	var b strings.Builder
	fmt.Fprintf(&b, "#!lua name=cim_%s\n%s", l.hash, text)
	for _, p := range parts {
		fmt.Fprintf(&b, "redis.register_function{function_name='%s', callback=%s, flags={%s}}\n", l.name(p.name), p.name, p.flags)
	}
	l.source = b.String()
	return l
}

func readLua(name string) string {
	text, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // it is part of the binary
	}
	return string(text)
}

// name is what a function is called in Redis. It panics for one that is not among the parts.
func (l luaLibrary) name(part string) function {
	if !slices.ContainsFunc(parts, func(p libraryPart) bool { return p.name == part }) {
		panic("redisstore: " + part + " is not in the library")
	}
	return function("cim_" + part + "_" + l.hash)
}
