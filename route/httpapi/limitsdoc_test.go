package httpapi

import (
	"os"
	"slices"
	"strings"
	"testing"

	cimpb "cim/proto"
)

const limitsDoc = "../../docs/limits.md"

// docs/limits.md explains each reason that is counted.
func TestLimitsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(limitsDoc)
	if err != nil {
		t.Fatal(err)
	}
	named := slices.Clone(reasons)
	for code := range refusals {
		named = append(named, code.String())
	}
	for _, code := range []cimpb.Code{cimpb.CodeInboxFull, cimpb.CodeSlow} {
		named = append(named, code.String())
	}
	for _, reason := range named {
		if !strings.Contains(string(doc), "`"+reason+"`") {
			t.Errorf("%s does not name %s", limitsDoc, reason)
		}
	}
}
