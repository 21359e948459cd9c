package cimpb

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

const protocolDoc = "../docs/protocol.md"

// codeRow is a row of the table of codes in docs/protocol.md.
type codeRow struct {
	name, comeback, sentence string
}

var codeRowRE = regexp.MustCompile("^\\| (\\d+) \\| `([a-z_]+)` \\| (\\S+) \\| (.+) \\|$")

func docCodes(t *testing.T) map[Code]codeRow {
	t.Helper()
	text, err := os.ReadFile(protocolDoc)
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[Code]codeRow)
	for line := range strings.Lines(string(text)) {
		m := codeRowRE.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		n, err := strconv.ParseUint(m[1], 10, 32)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if _, twice := rows[Code(n)]; twice {
			t.Errorf("docs/protocol.md lists code %d twice", n)
		}
		rows[Code(n)] = codeRow{name: m[2], comeback: m[3], sentence: m[4]}
	}
	return rows
}

var comebackWords = map[Comeback]string{
	Comeback_COMEBACK_UNSPECIFIED: "–", Comeback_LATER: "later", Comeback_ELSEWHERE: "elsewhere", Comeback_NEVER: "never",
}

func TestDocListsEachCode(t *testing.T) {
	rows := docCodes(t)
	for code, text := range codeTexts {
		row, ok := rows[code]
		want := codeRow{name: text.name, comeback: comebackWords[code.Comeback()], sentence: text.sentence}
		if !ok {
			t.Errorf("docs/protocol.md lacks\n| %d | `%s` | %s | %s |", code, want.name, want.comeback, want.sentence)
		} else if row != want {
			t.Errorf("docs/protocol.md says %d is %+v, the code %+v", code, row, want)
		}
	}
	for code, row := range rows {
		if _, ok := codeTexts[code]; !ok {
			t.Errorf("docs/protocol.md lists code %d (%s), which does not exist", code, row.name)
		}
	}
}

// declared reads the constants of type Code from the source: a map cannot tell what was left out of it.
func declared(t *testing.T) map[string]Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	codes := make(map[string]Code)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		typ, isName := spec.Type.(*ast.Ident)
		value, isLit := spec.Values[0].(*ast.BasicLit)
		if !isName || typ.Name != "Code" || !isLit {
			return true
		}
		number, err := strconv.ParseUint(value.Value, 0, 32)
		if err != nil {
			t.Fatalf("%s: %v", spec.Names[0].Name, err)
		}
		codes[spec.Names[0].Name] = Code(number)
		return true
	})
	return codes
}

func TestEachCodeHasAUniqueNameAndASentence(t *testing.T) {
	codes := declared(t)
	if len(codes) != len(codeTexts) {
		t.Errorf("%d constants, %d texts", len(codes), len(codeTexts))
	}
	byName := make(map[string]string)
	for constant, code := range codes {
		text, ok := codeTexts[code]
		if !ok {
			t.Errorf("%s has no text", constant)
			continue
		}
		if other, taken := byName[text.name]; taken {
			t.Errorf("%s and %s are both called %q", constant, other, text.name)
		}
		byName[text.name] = constant
		if code.String() != text.name || text.name == "" {
			t.Errorf("%s.String() = %q, table %q", constant, code.String(), text.name)
		}
		if s := code.Sentence(); len(s) < 10 || !strings.HasSuffix(s, ".") || strings.ToUpper(s[:1]) != s[:1] {
			t.Errorf("%s: %q is no sentence", constant, s)
		}
		if want := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(constant, "Code")), "_", ""); want != strings.ReplaceAll(text.name, "_", "") {
			t.Errorf("%s is called %q", constant, text.name)
		}
	}
}

func TestComebackFollowsTheRange(t *testing.T) {
	tests := []struct {
		name string
		code Code
		want Comeback
	}{
		{"no code", 0, Comeback_COMEBACK_UNSPECIFIED},
		{"first outcome", 1, Comeback_COMEBACK_UNSPECIFIED},
		{"last outcome", 99, Comeback_COMEBACK_UNSPECIFIED},
		{"first of later", 100, Comeback_LATER},
		{"last of later", 199, Comeback_LATER},
		{"first of elsewhere", 200, Comeback_ELSEWHERE},
		{"last of elsewhere", 299, Comeback_ELSEWHERE},
		{"first of never", 300, Comeback_NEVER},
		{"last of never", 399, Comeback_NEVER},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.code.Comeback(); got != tt.want {
				t.Errorf("Code(%d).Comeback() = %v, want %v", tt.code, got, tt.want)
			}
		})
	}
	for code, text := range codeTexts {
		if code < 1 || code > 399 {
			t.Errorf("%s = %d is outside the ranges", text.name, code)
		}
	}
}

func TestUnknownCode(t *testing.T) {
	const unknown Code = 98
	if got := unknown.String(); got != "code_98" {
		t.Errorf("String() = %q, want code_98", got)
	}
	if got := unknown.Sentence(); got != "" {
		t.Errorf("Sentence() = %q, want none", got)
	}
}

func TestStatus(t *testing.T) {
	want := &Status{Code: 100, Text: CodeBusy.Sentence(), RetryAfterMs: 1500, Comeback: Comeback_LATER}
	if got := CodeBusy.Status(1500); !proto.Equal(got, want) {
		t.Errorf("Status = %v, want %v", got, want)
	}
}
