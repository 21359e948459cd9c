package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"

	"cim/route/redisstore"
)

// clusterFlags are those of every process of a cluster.
type clusterFlags struct {
	ZK         []string `name:"zk" help:"ZooKeeper servers, which know the cluster's servers." placeholder:"HOST:PORT,..." required:""`
	ZKAuthFile string   `name:"zk-auth-file" help:"File with user:password for ZooKeeper's digest scheme, on one line: this user alone may change what servers write there. The same for all processes of the cluster. Default: anybody who reaches ZooKeeper may." placeholder:"FILE" type:"path"`
	Redis      string   `help:"Where accounts, sessions and inboxes are kept: redis://, rediss://, redis+sentinel:// or redis+cluster:// (docs/operations.md)." placeholder:"URL" required:""`
	RedisWait  int      `name:"redis-wait" help:"Replicas that have to have a message before its sender is told that it is stored." default:"0"`
	InboxLimit int      `help:"Messages that may wait for one user; more are refused, and their sender is told. The same for all processes." default:"10000"`
	InboxBytes int64    `help:"Bytes of messages that may wait for one user. The same for all processes." default:"16777216"`
	SecretFile string   `name:"secret-file" help:"File with the secret of the cluster, the same for all its processes; \"cim keys secret\" makes one. Read again on SIGHUP." placeholder:"FILE" required:"" type:"path"`
}

// check is part of the command's Validate.
func (f *clusterFlags) check() error {
	if f.Redis == "" || len(f.ZK) == 0 || f.SecretFile == "" {
		return nil // that they are missing is said elsewhere
	}
	for _, addr := range f.ZK {
		host, port, err := net.SplitHostPort(addr)
		if n, _ := strconv.ParseUint(port, 10, 16); err != nil || host == "" || n == 0 {
			return fmt.Errorf("--zk %q is not host:port", addr)
		}
	}
	if _, err := redisstore.Addresses(f.Redis); err != nil {
		return fmt.Errorf("--redis, which is like redis://127.0.0.1:6379/0: %w", err)
	}
	if f.RedisWait < 0 {
		return errors.New("--redis-wait must not be negative")
	}
	return checkInbox(f.InboxLimit, f.InboxBytes)
}

// checkInbox is part of the Validate of every command that stores messages.
func checkInbox(messages int, bytes int64) error {
	if messages < 1 || bytes < 1 {
		return errors.New("--inbox-limit and --inbox-bytes have to be at least 1")
	}
	return nil
}

// keyFile is where the application key is, unless a flag says otherwise.
func (f *clusterFlags) keyFile(named string) string {
	if named != "" {
		return named
	}
	return filepath.Join(filepath.Dir(f.SecretFile), "application.key")
}
