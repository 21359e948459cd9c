package httpapi

import (
	"fmt"
	"log/slog"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests. Callers choose none of the label values: unknown paths and methods are "other".
type metrics struct {
	requests *prometheus.CounterVec
	refused  *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, open func() int32) (*metrics, error) {
	m := &metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cim_http_requests_total",
		Help: "Requests by method, path of the endpoint and HTTP status.",
	}, []string{"method", "route", "status"}), refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cim_http_refused_total",
		Help: "Requests of callers who might not, by reason.",
	}, []string{"reason"})}
	conns := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cim_http_connections",
		Help: "Open HTTP connections.",
	}, func() float64 { return float64(open()) })
	for _, c := range []prometheus.Collector{m.requests, m.refused, conns} {
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

// refuse counts what is about the caller; what is about the request is counted by its status.
func (m *metrics) refuse(f *failure) {
	switch {
	case f.counter != "":
		m.refused.WithLabelValues(f.counter).Inc()
	case refusals[f.code]:
		m.refused.WithLabelValues(f.code.String()).Inc()
	}
}

// serverLog takes what fasthttp has to say, which is about single connections.
type serverLog struct{ log *slog.Logger }

// Printf implements fasthttp.Logger.
func (l serverLog) Printf(format string, args ...any) {
	l.log.Debug("http: " + fmt.Sprintf(format, args...))
}
