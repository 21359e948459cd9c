package httpapi

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	cimpb "cim/proto"
	"cim/route"
)

// metrics counts requests. Callers choose none of the label values: unknown paths and methods are "other".
type metrics struct {
	requests *prometheus.CounterVec
	refused  *prometheus.CounterVec
	sends    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, s *fasthttp.Server, known *connSet) (*metrics, error) {
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		requests: vector("cim_http_requests_total", "Requests by method, path of the endpoint and HTTP status.", "method", "route", "status"),
		refused:  vector("cim_http_refused_total", "Requests of callers who might not or had to wait, by reason.", "reason"),
		sends:    vector("cim_http_sends_refused_total", "Messages that came over HTTP and were refused for a receiver, by the code that was answered.", "reason"),
	}
	conns := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cim_http_connections",
		Help: "Open HTTP connections.",
	}, func() float64 { return float64(s.GetOpenConnectionsCount()) })
	rejected := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "cim_http_connections_refused_total",
		Help: "HTTP connections that were closed because there were too many (--http-conns), in all or of one address.",
	}, func() float64 { return float64(s.GetRejectedConnectionsCount()) + float64(known.refused.Load()) })
	for _, c := range []prometheus.Collector{m.requests, m.refused, m.sends, conns, rejected} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register HTTP metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) count(method, route string, status int) {
	switch method {
	case get, post, "HEAD":
	default:
		method = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
}

// refuse counts what is about the caller or a limit; what is about the request alone is counted by its status.
func (m *metrics) refuse(f *failure) {
	switch {
	case f.counter != "":
		m.refused.WithLabelValues(f.counter).Inc()
	case refusals[f.code]:
		m.refused.WithLabelValues(f.code.String()).Inc()
	}
}

// sent counts a message that was refused. One for somebody who is not connected is the sender's to know.
func (m *metrics) sent(o route.Outcome) {
	switch code := codeOf(o); code {
	case cimpb.CodeWritten, cimpb.CodeStored, cimpb.CodeOffline:
	default:
		m.sends.WithLabelValues(code.String()).Inc()
	}
}

// serverLog takes what fasthttp has to say, which is about single connections.
type serverLog struct{ log *slog.Logger }

// Printf implements fasthttp.Logger. What could not be read of a request is left out: it may be a credential.
func (l serverLog) Printf(format string, args ...any) {
	const reading = "error when reading request"
	text, _, cut := strings.Cut(fmt.Sprintf(format, args...), reading)
	if cut {
		text += reading
	}
	l.log.Debug("http: " + text)
}
