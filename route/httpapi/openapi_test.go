package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// document is the part of OpenAPI 3 that the tests hold against the code.
type document struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas map[string]struct {
			Enum       []string
			Properties map[string]struct{ Enum []string }
		}
	}
}

type operation struct {
	Tags        []string
	Parameters  []struct{ In, Name, Example string }
	RequestBody struct {
		Content map[string]struct {
			Example  any
			Examples map[string]struct{ Value any }
		}
	} `yaml:"requestBody"`
	Responses map[string]any
	Security  []map[string][]string
}

func readDocument(t *testing.T, text []byte) document {
	t.Helper()
	var d document
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpenAPIDescribesEachRoute(t *testing.T) {
	f := newFixture(t)
	got := f.do(http.MethodGet, "/openapi.yaml", "")
	if got.status != 200 || got.header.Get("Content-Type") != "application/yaml" {
		t.Fatalf("%d %s", got.status, got.header.Get("Content-Type"))
	}
	var described, served []string
	for path, methods := range readDocument(t, []byte(got.body)).Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	for _, e := range f.api.routes() {
		served = append(served, e.method+" "+e.path)
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described: %q\nserved:    %q", described, served)
	}
}

func TestOpenAPIKnowsEachCode(t *testing.T) {
	schemas := readDocument(t, openAPIFile).Components.Schemas
	var codes, cimCodes []string
	for code := range answers {
		codes = append(codes, code.String())
	}
	for code := range cimMessages {
		cimCodes = append(cimCodes, string(code))
	}
	for _, pair := range [][2][]string{{codes, schemas["Code"].Enum}, {cimCodes, schemas["Envelope"].Properties["code"].Enum}} {
		slices.Sort(pair[0])
		slices.Sort(pair[1])
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("served:    %q\ndescribed: %q", pair[0], pair[1])
		}
	}
}

// Each example of a request has to work.
func TestOpenAPIExamplesWork(t *testing.T) {
	cim, tokens := newFixture(t), newTokenFixture(t)
	tried := 0
	for path, methods := range readDocument(t, openAPIFile).Paths {
		for method, op := range methods {
			f, bearer := cim, ""
			if slices.Contains(op.Tags, "v1") {
				f, bearer = tokens.fixture, tokens.key
			}
			for name, example := range examples(op) {
				f.fresh(t, nil)
				body, err := json.Marshal(example)
				if err != nil {
					t.Fatal(err)
				}
				req := f.request(strings.ToUpper(method), withParameters(path, op), string(body))
				req.Header.Set("Authorization", "Bearer "+bearer)
				got := f.send(req)
				cimFailed := strings.HasPrefix(got.body, `{"code":`) && !strings.HasPrefix(got.body, `{"code":"9000"`)
				if got.status >= 300 || cimFailed {
					t.Errorf("%s %s, example %s: %d %s", method, path, name, got.status, got.body)
				}
				tried++
			}
		}
	}
	if tried < 15 {
		t.Errorf("only %d examples were found", tried)
	}
}

// What the document says about credentials is what the table of routes asks for.
func TestOpenAPISaysWhoMayCall(t *testing.T) {
	who := map[access]string{
		accessOpen: "", accessCIM: "", accessRegister: "nobody applicationKey", accessLogin: "nobody accessToken",
		accessUser: "accessToken applicationKey", accessApplication: "applicationKey",
	}
	paths := readDocument(t, openAPIFile).Paths
	for _, e := range newFixture(t).api.routes() {
		var described []string
		for _, way := range paths[e.path][strings.ToLower(e.method)].Security {
			if len(way) == 0 {
				described = append(described, "nobody")
			}
			described = slices.AppendSeq(described, maps.Keys(way))
		}
		if got := strings.Join(described, " "); got != who[e.access] {
			t.Errorf("%s %s is described for %q, served for %q", e.method, e.path, got, who[e.access])
		}
	}
}

func examples(op operation) map[string]any {
	all := map[string]any{}
	for _, content := range op.RequestBody.Content {
		if content.Example != nil {
			all["example"] = content.Example
		}
		for name, e := range content.Examples {
			all[name] = e.Value
		}
	}
	if len(all) == 0 {
		all["without body"] = struct{}{}
	}
	return all
}

func withParameters(path string, op operation) string {
	query := map[string]string{}
	for _, p := range op.Parameters {
		switch {
		case p.Example == "":
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", p.Example)
		default:
			query[p.Name] = p.Example
		}
	}
	separator := "?"
	for _, name := range slices.Sorted(maps.Keys(query)) {
		path += separator + name + "=" + query[name]
		separator = "&"
	}
	return path
}
