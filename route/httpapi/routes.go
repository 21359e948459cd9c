package httpapi

import (
	"slices"

	"github.com/valyala/fasthttp"
)

// style is how an endpoint answers when it refuses.
type style uint8

const (
	styleV1  style = iota // {"error":{...}} and an HTTP status that says it too
	styleCIM              // CIM's envelope
	styleOps              // for operators and machines
)

// endpoint is one method of one path.
type endpoint struct {
	method string
	path   string // {id} matches one segment
	style  style
	serve  func(*call)
	// anyHost: load balancers probe by whatever name they know, and there is nothing to steal.
	anyHost bool
	// bare: a POST without a body and without a Content-Type does, because it changes nothing.
	bare bool
	// own: the endpoint looks at the request itself, and says who may send it.
	own bool
	// server: a server of a cluster has it too, besides routes.
	server bool
	access access
	// tokenOnly is what makes no sense with Config.AuthCIM.
	tokenOnly bool
}

const (
	get  = fasthttp.MethodGet
	post = fasthttp.MethodPost
)

// clusterPath is where processes of a cluster talk to a server; openapi.yaml leaves it out.
const clusterPath = "/cluster/push"

// served is what this API answers.
func (a *API) served() []*endpoint {
	all := a.routes()
	if a.cfg.ServerOnly {
		all = slices.DeleteFunc(all, func(e *endpoint) bool { return !e.server })
	}
	if a.cfg.Cluster != nil {
		all = append(all, &endpoint{
			method: post, path: clusterPath, style: styleOps, anyHost: true, own: true,
			serve: func(c *call) { a.cfg.Cluster(c.http) },
		})
	}
	return all
}

// routes is the whole table. openapi.yaml describes each line of it.
func (a *API) routes() []*endpoint {
	return []*endpoint{
		{method: post, path: "/registerAccount", style: styleCIM, access: accessCIM, serve: cimPost(a, cimFallback, a.cimRegister)},
		{method: post, path: "/login", style: styleCIM, access: accessCIM, serve: cimPost(a, cimFallback, a.cimLogin)},
		{method: post, path: "/offLine", style: styleCIM, access: accessCIM, serve: cimPost(a, cimFallback, a.cimOffLine)},
		{method: get, path: "/onlineUser", style: styleCIM, access: accessCIM, serve: a.cimOnlineUser},
		{method: post, path: "/onlineUser", style: styleCIM, access: accessCIM, serve: a.cimOnlineUser, bare: true},
		{method: post, path: "/groupRoute", style: styleCIM, access: accessCIM, serve: cimPost(a, cimFallback, a.cimGroup)},
		{method: post, path: "/p2pRoute", style: styleCIM, access: accessCIM, serve: cimPost(a, cimStoreError, a.cimP2P)},
		{method: post, path: "/fetchOfflineMsgs", style: styleCIM, access: accessCIM, serve: cimPost(a, cimFetchError, a.cimFetchOffline)},
		{method: post, path: "/sendMsg", server: true, style: styleCIM, access: accessCIM, serve: cimPost(a, cimFallback, a.cimSendMsg)},

		{method: post, path: "/v1/accounts", access: accessRegister, serve: v1Post(a, a.v1Register)},
		{method: get, path: "/v1/accounts", access: accessUser, serve: v1Get(a, a.v1FindAccounts)},
		{method: get, path: "/v1/accounts/{id}", access: accessUser, serve: v1Get(a, a.v1Account)},
		{method: post, path: "/v1/accounts/{id}/secret", access: accessUser, tokenOnly: true, serve: v1Act(a, a.v1ReplaceSecret)},
		{method: post, path: "/v1/accounts/{id}/disable", access: accessApplication, tokenOnly: true, serve: v1Act(a, a.v1SetDisabled(true))},
		{method: post, path: "/v1/accounts/{id}/enable", access: accessApplication, tokenOnly: true, serve: v1Act(a, a.v1SetDisabled(false))},
		{method: post, path: "/v1/login", access: accessLogin, serve: v1Post(a, a.v1Login)},
		{method: get, path: "/v1/online", access: accessUser, serve: v1Get(a, a.v1Online)},
		{method: get, path: "/v1/online/count", access: accessUser, serve: v1Get(a, a.v1OnlineCount)},
		{method: post, path: "/v1/messages", access: accessUser, serve: v1Post(a, a.v1Send)},

		{method: get, path: "/openapi.yaml", server: true, style: styleOps, serve: a.openAPI},
		{method: get, path: "/healthz", server: true, style: styleOps, serve: a.healthz, anyHost: true},
		{method: get, path: "/readyz", server: true, style: styleOps, serve: a.readyz, anyHost: true},
		{method: get, path: "/metrics", server: true, style: styleOps, access: accessApplication, serve: a.metricsHandler()},
	}
}

func index(all []*endpoint) map[string]map[string]*endpoint {
	byPath := make(map[string]map[string]*endpoint)
	for _, e := range all {
		if byPath[e.path] == nil {
			byPath[e.path] = make(map[string]*endpoint)
		}
		byPath[e.path][e.method] = e
	}
	return byPath
}
