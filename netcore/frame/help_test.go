package frame

import (
	"reflect"
	"testing"
)

func wantView(t testing.TB, got, want *View) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("view is\n%+v, want\n%+v", *got, *want)
	}
}

func batchOf(payload []byte) []string {
	var texts []string
	EachBatch(payload, func(text []byte) { texts = append(texts, string(text)) })
	return texts
}
