package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"cim/route"
)

// readAccounts reads the whole file before any account is made, so that a mistake in its last line costs nothing.
func readAccounts(path string) ([]newAccount, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	accounts, err := parseAccounts(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return accounts, nil
}

func parseAccounts(in io.Reader) ([]newAccount, error) {
	r := csv.NewReader(in)
	name, kind, err := accountColumns(r)
	if err != nil {
		return nil, err
	}
	var accounts []newAccount
	lines := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		a := newAccount{norm.NFC.String(row[name]), "user"}
		if kind >= 0 && row[kind] != "" {
			a.Kind = row[kind]
		}
		if err := a.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if first, ok := lines[a.Name]; ok {
			return nil, fmt.Errorf("line %d: the name %q is in line %d already", line, a.Name, first)
		}
		lines[a.Name] = line
		accounts = append(accounts, a)
	}
	if len(accounts) == 0 {
		return nil, errors.New("there are no accounts in it")
	}
	return accounts, nil
}

// accountColumns finds the columns by the header; kind is -1 where there is none. Spreadsheets begin their
// files with a byte order mark.
func accountColumns(r *csv.Reader) (name, kind int, err error) {
	header, err := r.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	for i := range header {
		header[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(header[i], "\ufeff")))
		if header[i] != "name" && header[i] != "kind" {
			return 0, 0, fmt.Errorf("the first line has to be a header: name[,kind], and %q is neither", header[i])
		}
	}
	if name = slices.Index(header, "name"); name < 0 {
		return 0, 0, errors.New("the first line has to be a header: name[,kind]")
	}
	return name, slices.Index(header, "kind"), nil
}

func (a newAccount) check() error {
	if err := route.CheckName(a.Name); err != nil {
		return fmt.Errorf("the name %q does not do: %w", a.Name, err)
	}
	if a.Kind != "user" && a.Kind != "device" {
		return fmt.Errorf("the kind %q is unknown: use user or device", a.Kind)
	}
	return nil
}
