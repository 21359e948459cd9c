package redisstore

import (
	"crypto/sha1" //nolint:gosec // it is how Redis names scripts
	_ "embed"
	"encoding/hex"
)

// Scripts run on Redis 7 or later, which knows the flags in their first line. Those that free memory or are needed
// to free it run when Redis is at its maxmemory too; the others are then refused before they have changed anything.
const (
	anyMemory  = "#!lua flags=allow-oom\n"
	freeMemory = "#!lua\n"
	readOnly   = "#!lua flags=no-writes\n"
)

var (
	//go:embed lua/inbox.lua
	sharedLua string
	//go:embed lua/append.lua
	appendLua string
	//go:embed lua/ack.lua
	ackLua string
	//go:embed lua/read.lua
	readLua string
	//go:embed lua/claim.lua
	claimLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/renew.lua
	renewLua string
	//go:embed lua/reserve.lua
	reserveLua string
	//go:embed lua/create.lua
	createLua string
	//go:embed lua/complete.lua
	completeLua string
	//go:embed lua/secret.lua
	secretLua string
	//go:embed lua/disable.lua
	disableLua string
)

var (
	appendScript   = newScript(freeMemory + sharedLua + appendLua)
	ackScript      = newScript(anyMemory + sharedLua + ackLua)
	readScript     = newScript(readOnly + sharedLua + readLua)
	claimScript    = newScript(anyMemory + sharedLua + claimLua)
	releaseScript  = newScript(anyMemory + releaseLua)
	renewScript    = newScript(anyMemory + sharedLua + renewLua)
	reserveScript  = newScript(freeMemory + reserveLua)
	createScript   = newScript(freeMemory + createLua)
	completeScript = newScript(freeMemory + completeLua)
	secretScript   = newScript(anyMemory + secretLua)
	disableScript  = newScript(anyMemory + disableLua)
)

// script is Lua that Redis runs as one step, and its name there.
type script struct{ source, hash string }

func newScript(source string) *script {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // see above
	return &script{source: source, hash: hex.EncodeToString(sum[:])}
}
