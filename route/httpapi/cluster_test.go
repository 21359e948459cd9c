package httpapi

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// asServer is the API of a server of a cluster; what the cluster sends is sent back.
func asServer(c *Config) {
	c.ServerOnly = true
	c.Cluster = func(rc *fasthttp.RequestCtx) { rc.SetBody(rc.PostBody()) }
}

// clusterCall sends bytes that are no JSON, to a host that is not ours.
func (f *fixture) clusterCall(path string) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, "http://elsewhere.example"+path, strings.NewReader("\x01\x02"))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestClusterSeesItsRequestsAsTheyCome(t *testing.T) {
	f := newFixture(t, asServer)
	if status, body := f.clusterCall("/cluster/push"); status != http.StatusOK || body != "\x01\x02" {
		t.Errorf("%d %q", status, body)
	}
}

func TestNoClusterPathWithoutACluster(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Hosts = []string{"*"} })
	if status, _ := f.clusterCall("/cluster/push"); status != http.StatusNotFound && status != http.StatusNotImplemented {
		t.Errorf("status %d", status)
	}
}

func TestServerOnlyAnswersWhatServersAnswer(t *testing.T) {
	f := newFixture(t, asServer)
	var got []string
	for path := range f.api.endpoints {
		got = append(got, path)
	}
	want := map[string]bool{"/cluster/push": true, "/sendMsg": true, "/openapi.yaml": true, "/healthz": true, "/readyz": true, "/metrics": true}
	if len(got) != len(want) {
		t.Errorf("it answers %q", got)
	}
	for _, path := range got {
		if !want[path] {
			t.Errorf("a server answers %s", path)
		}
	}
}
