package httpapi

import (
	"context"
	_ "embed"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"cim/route"
)

//go:embed openapi.yaml
var openAPIFile []byte

func (a *API) openAPI(c *call) {
	c.http.SetContentType("application/yaml")
	c.http.Response.SetBodyRaw(openAPIFile)
}

// healthz says that the process serves; it asks no one else, so that a broken store restarts nothing.
func (a *API) healthz(c *call) {
	c.http.SetContentType("text/plain; charset=utf-8")
	c.http.SetBodyString("ok")
}

type readiness struct {
	Ready    bool      `json:"ready"`
	Problems []problem `json:"problems"`
}

type problem struct {
	Component string `json:"component"`
	Detail    string `json:"detail"`
}

// readyz says what is broken, here or in what this process needs, much of which it goes on without: it is for deployments
// and alerts. Whoever spreads requests asks healthz.
func (a *API) readyz(c *call) {
	ctx, cancel := context.WithTimeout(c.ctx, readyTimeout)
	defer cancel()
	r := readiness{Problems: []problem{}}
	for _, p := range a.problems(ctx) {
		r.Problems = append(r.Problems, problem(p))
	}
	r.Ready = len(r.Problems) == 0
	status := http.StatusOK
	if !r.Ready {
		status = http.StatusServiceUnavailable
	}
	c.writeJSON(status, r)
}

func (a *API) problems(ctx context.Context) []route.Problem {
	if a.stopping.Load() {
		return []route.Problem{{Component: "http", Detail: "the service is shutting down"}}
	}
	problems := a.cfg.Router.Ready(ctx)
	if a.starting.Load() && len(problems) == 0 {
		problems = append(problems, route.Problem{Component: "http", Detail: "the service is starting"})
	}
	return problems
}

func (a *API) metricsHandler() func(*call) {
	h := promhttp.HandlerFor(a.cfg.Metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	serve := fasthttpadaptor.NewFastHTTPHandler(h)
	return func(c *call) { serve(c.http) }
}
