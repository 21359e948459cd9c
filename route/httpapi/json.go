package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

func encodeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// decodeStrict reads one JSON object and refuses fields that in does not have. in shares no memory with body.
func decodeStrict(body []byte, in any) error {
	if !utf8.Valid(body) {
		return badRequest("The body is not UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(in); err != nil {
		return badRequest("%s", describe(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("There is something after the JSON object.")
	}
	return nil
}

// decodeLoose reads as CIM does: unknown fields are none of our business.
func decodeLoose(body []byte, in any) error {
	if !utf8.Valid(body) {
		// encoding/json would replace what is broken, and the receiver would get another text.
		return badRequest("The body is not UTF-8.")
	}
	if err := json.Unmarshal(body, in); err != nil {
		return badRequest("%s", describe(err))
	}
	return nil
}

// describe says in the caller's words what is wrong with their JSON.
func describe(err error) string {
	var wrong *json.UnmarshalTypeError
	var f *failure
	text := err.Error()
	switch {
	case errors.As(err, &f):
		return f.sentence()
	case errors.Is(err, io.EOF):
		return "The body is empty; it has to be a JSON object."
	case errors.As(err, &wrong) && wrong.Field == "":
		return "The body has to be " + jsonWord(wrong.Type) + "."
	case errors.As(err, &wrong):
		return `"` + wrong.Field + `" has to be ` + jsonWord(wrong.Type) + "."
	case strings.HasPrefix(text, "json: unknown field "):
		return "There is no field " + strings.TrimPrefix(text, "json: unknown field ") + "."
	}
	return "The body is not the JSON it should be: " + text + "."
}

func jsonWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "base64 in a text"
		}
		return "a list"
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a whole number in range"
	}
}
