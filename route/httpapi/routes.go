package httpapi

import (
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
	bare   bool
	access access
	// tokenOnly is what makes no sense with Config.AuthCIM.
	tokenOnly bool
}

const (
	get  = fasthttp.MethodGet
	post = fasthttp.MethodPost
)

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
		{method: post, path: "/sendMsg", style: styleCIM, access: accessCIM, serve: cimPost(a, cimFallback, a.cimSendMsg)},

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

		{method: get, path: "/openapi.yaml", style: styleOps, serve: a.openAPI},
		{method: get, path: "/healthz", style: styleOps, serve: a.healthz, anyHost: true},
		{method: get, path: "/readyz", style: styleOps, serve: a.readyz, anyHost: true},
		{method: get, path: "/metrics", style: styleOps, access: accessApplication, serve: a.metricsHandler()},
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
