package main

import (
	"os"
	"runtime"
	"sync"
)

// eventLoops is how many event loops the server of this process has: one for each core that it may use. It gives the
// runtime one P more than that, unless the user has said how many it is to have (GOMAXPROCS). A loop that waits for its
// sockets keeps a P which the runtime takes for busy. When all are kept so, nobody polls the other connections, those of
// HTTP, of Redis and of other servers, but the runtime's monitor each 10 ms: docs/decisions/0013-one-p-more.md.
var eventLoops = sync.OnceValue(func() int { return spareP(os.Getenv("GOMAXPROCS")) })

func spareP(wanted string) (loops int) {
	loops = runtime.GOMAXPROCS(0)
	if wanted == "" {
		runtime.GOMAXPROCS(loops + 1)
	}
	return loops
}
