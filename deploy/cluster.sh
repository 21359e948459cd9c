#!/usr/bin/env bash
# A whole cluster on one machine, to try it: Redis, ZooKeeper, 3 servers, 2 routes, and nginx in front of the routes.
#
#   deploy/cluster.sh up [FOLDER]       starts what does not run; FOLDER (default ./cim-cluster) keeps data, logs, keys, ids
#   deploy/cluster.sh status [FOLDER]   says what runs
#   deploy/cluster.sh down [FOLDER]     stops it; the data stays. A server moves its clients first
#
# Settings by environment: CIM (the binary, bin/cim), SERVERS (3), DRAIN (5s), CIM_AUTH (token), and first ports: FRONT_PORT (8093),
# IM_PORT (12211), PEER_PORT (18081), ROUTE_PORT (18091), REDIS_PORT (16379), ZK_PORT (12181). Debian's packages redis-server,
# zookeeper and nginx-light bring the rest. Production keeps these on machines of their own: docs/operations.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
verb=${1:-help}
folder=${2:-./cim-cluster}
cim=${CIM:-$here/bin/cim}
servers=${SERVERS:-3}
redis_port=${REDIS_PORT:-16379}
zk_port=${ZK_PORT:-12181}
front_port=${FRONT_PORT:-8093}
im_port=${IM_PORT:-12211}     # and the next ones
peer_port=${PEER_PORT:-18081} # and the next ones
route_port=${ROUTE_PORT:-18091} # and the next one
auth=${CIM_AUTH:-token}

die() { echo "cluster.sh: $*" >&2; exit 1; }

running() { # running NAME: is the process of that name alive?
	local pid
	pid=$(cat "$folder/run/$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null || return 1
	case $(ps -o stat= -p "$pid") in Z* | "") return 1 ;; esac # ended, and not yet buried
}

start() { # start NAME COMMAND...: in the background, its output in FOLDER/log/NAME.log
	local name=$1
	shift
	if running "$name"; then
		echo "  $name runs already"
		return
	fi
	nohup "$@" >>"$folder/log/$name.log" 2>&1 </dev/null &
	echo $! >"$folder/run/$name.pid"
}

await() { # await NAME COMMAND...: until COMMAND succeeds, half a minute at most
	local name=$1 n
	shift
	for n in $(seq 300); do
		running "$name" || break # whoever answers then is somebody else
		if "$@" >/dev/null 2>&1; then
			echo "  $name is up"
			return
		fi
		sleep 0.1
	done
	tail -n 5 "$folder/log/$name.log" >&2
	die "$name did not start; its last lines are above, all of them in $folder/log/$name.log. \"$0 down $folder\" stops what did"
}

stop() { # stop NAME...: SIGTERM to all of them, and waits
	local name stopping=()
	for name in "$@"; do
		if running "$name"; then
			kill "$(cat "$folder/run/$name.pid")"
			stopping+=("$name")
		fi
	done
	for name in "${stopping[@]}"; do
		while running "$name"; do sleep 0.1; done
		echo "  $name stopped"
	done
	for name in "$@"; do rm -f "$folder/run/$name.pid"; done
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

unused() { # unused NAME PORT VARIABLE: may NAME, which does not run, listen there? VARIABLE chooses another first port
	if ! running "$1" && listens "$2" 2>/dev/null; then
		die "port $2 of $1 is taken by another process: choose other ones with $3=PORT"
	fi
}

unused_all() {
	local i
	unused redis "$redis_port" REDIS_PORT
	unused zookeeper "$zk_port" ZK_PORT
	unused proxy "$front_port" FRONT_PORT
	for i in 1 2; do unused "route$i" $((route_port + i - 1)) ROUTE_PORT; done
	for i in $(seq "$servers"); do
		unused "server$i" $((im_port + i - 1)) IM_PORT
		unused "server$i" $((peer_port + i - 1)) PEER_PORT
		unused "server$i" $((peer_port + i + 99)) PEER_PORT
	done
}

ready() { curl -fsS "http://127.0.0.1:$1/readyz"; }

need() { command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"; }

zookeeper_jars() { echo "/etc/zookeeper/conf_example:/usr/share/java/*"; }

start_redis() {
	start redis redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$folder/redis" --appendonly yes \
		--appendfsync everysec --maxmemory-policy noeviction
	await redis redis-cli -p "$redis_port" ping
}

start_zookeeper() {
	cat >"$folder/zookeeper/zoo.cfg" <<-END
		tickTime=1000
		dataDir=$folder/zookeeper
		clientPort=$zk_port
		clientPortAddress=127.0.0.1
		admin.enableServer=false
	END
	start zookeeper java -Dzookeeper.log.threshold=WARN -cp "$(zookeeper_jars)" \
		org.apache.zookeeper.server.quorum.QuorumPeerMain "$folder/zookeeper/zoo.cfg"
	await zookeeper listens "$zk_port"
}

start_servers() {
	local i
	for i in $(seq "$servers"); do
		start "server$i" "$cim" server --listen "127.0.0.1:$((im_port + i - 1))" --push "127.0.0.1:$((peer_port + i - 1))" \
			--zk "127.0.0.1:$zk_port" --redis "redis://127.0.0.1:$redis_port/0" --secret-file "$folder/cluster.secret" \
			--auth "$auth" --drain "${DRAIN:-5s}" --metrics "127.0.0.1:$((peer_port + i + 99))"
		await "server$i" ready $((peer_port + i - 1))
	done
}

start_routes() {
	local i
	for i in 1 2; do
		start "route$i" "$cim" route --http "127.0.0.1:$((route_port + i - 1))" --register anyone \
			--zk "127.0.0.1:$zk_port" --redis "redis://127.0.0.1:$redis_port/0" --secret-file "$folder/cluster.secret" \
			--auth "$auth" --balance least-connections --proxy-from 127.0.0.1/32
		await "route$i" ready $((route_port + i - 1))
	done
}

start_proxy() {
	sed -e "s|@FOLDER@|$folder|g" -e "s|@FRONT@|$front_port|g" -e "s|@ROUTE1@|$route_port|g" -e "s|@ROUTE2@|$((route_port + 1))|g" \
		"$here/deploy/nginx.conf" >"$folder/nginx/nginx.conf"
	start proxy nginx -e "$folder/log/proxy.log" -p "$folder/nginx" -c "$folder/nginx/nginx.conf"
	await proxy ready "$front_port"
}

up() {
	need redis-server redis-server
	need java zookeeper
	need nginx nginx-light
	need curl curl
	[ -x "$cim" ] || die "$cim is missing: make build"
	umask 077
	mkdir -p "$folder"/{run,log,redis,zookeeper,nginx}
	folder=$(cd "$folder" && pwd)
	unused_all
	[ -s "$folder/cluster.secret" ] || "$cim" keys secret --file "$folder/cluster.secret" >/dev/null
	start_redis
	start_zookeeper
	start_servers
	start_routes
	start_proxy
	cat <<-END

		The cluster is up: routes behind http://127.0.0.1:$front_port, application key in $folder/application.key
		Metrics of server N: http://127.0.0.1:$((peer_port + 100)) and the next ones, under /metrics

		To talk, in two more terminals:
		  $cim chat --route http://127.0.0.1:$front_port --name alice
		  $cim chat --route http://127.0.0.1:$front_port --name bob

		Without the proxy, a chat that survives a killed route (kill \$(cat $folder/run/route1.pid); "up" starts it again):
		  $cim chat --route http://127.0.0.1:$route_port,http://127.0.0.1:$((route_port + 1)) --name carol
	END
}

server_names() { for i in $(seq "$servers"); do echo "server$i"; done; }
all() { echo proxy route2 route1; server_names; echo zookeeper redis; }

down() {
	stop proxy
	stop route2 route1
	# shellcheck disable=SC2046 # one word a name
	stop $(server_names)
	stop zookeeper redis
}

status() {
	local name failed=0
	for name in $(all); do
		if running "$name"; then echo "  $name runs, process $(cat "$folder/run/$name.pid")"; else echo "  $name does not run"; failed=1; fi
	done
	return $failed
}

case $verb in
up | down | status) "$verb" ;;
*)
	[ "$verb" = help ] || echo "cluster.sh: unknown command $verb" >&2
	sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
	exit 2
	;;
esac
