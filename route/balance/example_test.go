package balance_test

import (
	"fmt"

	"cim/route"
	"cim/route/balance"
)

// A user stays at one server while it is listed, and goes to another one when it is not.
func Example() {
	b, err := balance.New(balance.ConsistentHash, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	list := []route.Server{
		{Instance: "a", Host: "10.0.0.1", Port: 11211, HTTPPort: 8081},
		{Instance: "b", Host: "10.0.0.2", Port: 11211, HTTPPort: 8081},
	}
	first := b.Pick(1547028929407, list)
	fmt.Println(first == b.Pick(1547028929407, list))
	fmt.Println(b.Pick(1547028929407, list[:1]).Host)
	// Output:
	// true
	// 10.0.0.1
}
