package httpapi

import (
	"strconv"
	"strings"

	"cim/route"
)

// looseID reads an id as Jackson does: a number, or a number in a text. An empty text is no id.
type looseID int64

// UnmarshalJSON implements json.Unmarshaler.
func (id *looseID) UnmarshalJSON(b []byte) error {
	text := string(b)
	if strings.HasPrefix(text, `"`) {
		text = strings.TrimSpace(strings.Trim(text, `"`))
	}
	if text == "" || text == "null" {
		*id = 0
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return badRequest("%s is not an id", b)
	}
	*id = looseID(n)
	return nil
}

// get checks an id that has to be there.
func (id looseID) get(field string) (int64, error) {
	if id == 0 {
		return 0, badRequest("%s is missing", field)
	}
	if id < 0 || id > route.MaxID {
		return 0, badRequest("%s has to be between 1 and %d", field, int64(route.MaxID))
	}
	return int64(id), nil
}

// cimContent is msg or batchMsg of a request as a message from nobody yet; the batch wins, as in CIM.
func cimContent(msg string, batch []string, items int) (route.Message, error) {
	m := route.Message{Text: msg}
	if len(batch) > 0 {
		m = route.Message{Batch: batch}
	}
	return m, checkContent(m, items)
}
