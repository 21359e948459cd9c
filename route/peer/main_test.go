package peer

import (
	"bufio"
	"io"
	"testing"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The first answer starts a clock that fasthttp never stops; it must not start inside a bubble of synctest.
	var first fasthttp.Response
	if err := first.Write(bufio.NewWriter(io.Discard)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// A fasthttp server that was shut down notices it with one of its goroutines 10 s later.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}
