package bench

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// asWorker makes the test binary be a worker process, which is what a run starts.
const asWorker = "CIM_BENCH_TEST_WORKER"

func TestMain(m *testing.M) {
	switch os.Getenv(asWorker) {
	case "":
		goleak.VerifyTestMain(m)
	case "work":
		if err := Work(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "exit": // a worker that cannot even begin
		os.Exit(3)
	case "babble": // a program that is no worker
		fmt.Println("hello")
	}
}
