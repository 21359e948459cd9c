package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"cim/internal/limits"
)

// print writes the report for a person.
func (r doctorReport) print(out io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Can this machine hold %s connections with cim up? (%s)\n\n", count(r.Target), r.place())
	r.printTable(&b)
	b.WriteString("\n" + r.summary() + "\n")
	r.printFixes(&b, verdictRaise, "\nTo raise; where a limit has several lines, the one for how cim is started:\n")
	r.printFixes(&b, verdictLow, "\nLow, though connections are held without it:\n")
	_, err := out.Write(b.Bytes())
	return err
}

func (r doctorReport) place() string {
	switch {
	case r.System != "linux":
		return r.System
	case r.Container != "":
		return "linux, in a container: " + r.Container
	}
	return "linux"
}

func (r doctorReport) printTable(b *bytes.Buffer) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LIMIT\tVALUE\tALLOWS\tVERDICT")
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, f.Value, f.allowsText(), f.Verdict)
	}
	_ = w.Flush() // a buffer takes everything
}

func (f finding) allowsText() string {
	switch {
	case f.Verdict == verdictUnknown:
		return "unknown"
	case f.Verdict == verdictInfo:
		return "-"
	case f.Unlimited:
		return "no limit"
	}
	return count(f.allows)
}

// summary is the answer in sentences.
func (r doctorReport) summary() string {
	var b strings.Builder
	switch {
	case r.Holds == nil:
		b.WriteString("How many connections this machine holds is unknown.")
	case *r.Holds == 0:
		fmt.Fprintf(&b, "This machine holds no connection with cim up: %s leaves no room.", r.LimitedBy)
	default:
		fmt.Fprintf(&b, "This machine holds about %s connections with cim up; %s is the lowest limit.", count(*r.Holds), r.LimitedBy)
	}
	if len(r.Unknown) > 0 {
		fmt.Fprintf(&b, "\nNot counted, because unknown: %s.", strings.Join(r.Unknown, ", "))
	}
	if r.System != "linux" {
		fmt.Fprintf(&b, "\nOn %s only the limit of open files is read; the others are unknown. Plan servers on Linux.", r.System)
	}
	return b.String()
}

func (r doctorReport) printFixes(b *bytes.Buffer, verdict, title string) {
	for _, f := range r.Findings {
		if f.Verdict != verdict {
			continue
		}
		b.WriteString(title)
		title = ""
		fmt.Fprintf(b, "  %s", f.Name)
		if f.Note != "" {
			fmt.Fprintf(b, ": %s", f.Note)
		}
		b.WriteByte('\n')
		for _, x := range f.Fixes {
			fmt.Fprintf(b, "    %-20s %s\n", x.How+":", x.Line)
			if x.File != "" {
				fmt.Fprintf(b, "    %-20s (%s)\n", "", x.File)
			}
		}
	}
}

// count writes a number with commas.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func shown(v limits.Value) string {
	if v.Unlimited {
		return "no limit"
	}
	return count(v.N)
}

func shownBytes(v limits.Value) string { return bytesText(v.N) }

// bytesText writes bytes in the largest binary unit that leaves a digit.
func bytesText(n uint64) string {
	for _, u := range []struct {
		name  string
		shift uint
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if n >= 1<<u.shift {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(uint64(1)<<u.shift), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
