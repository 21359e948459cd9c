package redisstore

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, tc := range []struct {
		url  string
		want target
	}{
		{"redis://h", target{addrs: []string{"h:6379"}}},
		{"redis://h:1/3", target{addrs: []string{"h:1"}, db: 3}},
		{"rediss://u:p%40ss@h:1", target{tls: true, addrs: []string{"h:1"}, username: "u", password: "p@ss"}},
		{"redis://:p@h/", target{addrs: []string{"h:6379"}, password: "p"}},
		{"redis://[::1]:7", target{addrs: []string{"[::1]:7"}}},
		{"redis://[::1]", target{addrs: []string{"[::1]:6379"}}},
		{"redis+cluster://a:1,b:2,c", target{form: cluster, addrs: []string{"a:1", "b:2", "c:6379"}}},
		{"rediss+cluster://u:p@a,b/", target{form: cluster, tls: true, addrs: []string{"a:6379", "b:6379"}, username: "u", password: "p"}},
		{"redis+sentinel://a,b:2/m", target{form: sentinel, addrs: []string{"a:26379", "b:2"}, master: "m"}},
		{
			"redis+sentinel://:p@a/m/4?sentinel_user=s&sentinel_password=q",
			target{form: sentinel, addrs: []string{"a:26379"}, master: "m", db: 4, password: "p", sentinelUsername: "s", sentinelPassword: "q"},
		},
	} {
		t.Run(tc.url, func(t *testing.T) {
			if got, err := parseURL(tc.url); err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Fatalf("%+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, url := range []string{
		"", "localhost:6379", "http://h", "redis+standalone://h", "redis://", "redis://h:0", "redis://h:x", "redis://h:65536", "redis://a,b",
		"redis://h/x", "redis://h/-1", "redis://h?db=1", "redis://u:secret%zz@h", "redis+cluster://a,b/1", "redis+cluster://a,,b",
		"redis+sentinel://a", "redis+sentinel://a/m/x", "redis+sentinel://a/m?master=n",
	} {
		_, err := parseURL(url)
		if !errors.Is(err, ErrBadURL) {
			t.Errorf("%q: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
	}{
		{"braces in the prefix", Config{Prefix: "a{b}"}},
		{"a space in the prefix", Config{Prefix: "a b"}},
		{"negative cap", Config{InboxMessages: -1}},
		{"negative replicas", Config{WaitReplicas: -1}},
		{"a cap that counts cannot hold", Config{InboxBytes: maxInboxBytes + 1}},
		{"replicas slower than calls", Config{WaitReplicas: 1, WaitTimeout: 2, Timeout: 1}},
	} {
		if _, err := tc.cfg.withDefaults(); !errors.Is(err, ErrBadConfig) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if cfg, err := (Config{}).withDefaults(); err != nil || cfg.WaitTimeout >= cfg.Timeout {
		t.Errorf("the defaults: %+v, %v", cfg, err)
	}
}
