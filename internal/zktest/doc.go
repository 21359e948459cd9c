// Package zktest runs real ZooKeeper servers for tests: one alone, or an ensemble, that a test may kill, stop and start
// again, and a proxy that cuts connections and ends sessions. Servers listen on free ports of 127.0.0.1, keep their
// files in a folder of the test and die with it. It must not know what is stored in them.
//
// It runs the class of Debian's package zookeeper with the java in the PATH. Where either is missing, tests fail.
package zktest
