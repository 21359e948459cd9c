package netcore

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a goroutine outlives its server. gnet's pool of workers is made when the package is
// loaded and never ends; no server of ours uses it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}
