package main

import (
	"errors"
	"io/fs"

	"cim/internal/limits"
)

// Verdicts on one finding.
const (
	verdictOK      = "ok"
	verdictRaise   = "raise"   // the target does not fit
	verdictLow     = "low"     // it fits, but comes in slowly, or something else on this machine runs short
	verdictUnknown = "unknown" // not readable
	verdictInfo    = "-"       // nothing to compare
)

// finding is one limit and what it means. The rules fill in what is not exported; newDoctorReport the rest.
type finding struct {
	Name      string  `json:"name"`
	Value     string  `json:"value"`
	Allows    *uint64 `json:"allows"` // connections; null where there is no limit or it is unknown
	Unlimited bool    `json:"unlimited"`
	Verdict   string  `json:"verdict"`
	Note      string  `json:"note,omitempty"`
	Fixes     []fix   `json:"fixes,omitempty"`

	allows   uint64
	unknown  error // why; nil if known
	advisory bool  // does not bound how many are held
	info     bool  // allows means nothing
	fixes    func() []fix
}

// doctorReport is the whole answer.
type doctorReport struct {
	System    string    `json:"system"`
	Container string    `json:"container,omitempty"`
	Target    uint64    `json:"target"`
	Fits      bool      `json:"fits"`
	Holds     *uint64   `json:"holds"` // null if nothing that bounds it is known
	LimitedBy string    `json:"limited_by,omitempty"`
	Unknown   []string  `json:"unknown,omitempty"` // not counted in Holds
	Findings  []finding `json:"findings"`
}

// newDoctorReport judges the findings. The first one is the limit of open files: without it nothing is said to fit.
func newDoctorReport(system, container string, p doctorPlan, findings []finding) doctorReport {
	r := doctorReport{System: system, Container: container, Target: p.target, Findings: findings}
	r.Fits = findings[0].unknown == nil
	for i := range findings {
		f := &findings[i]
		f.judge(p.target)
		r.count(f)
	}
	return r
}

func (f *finding) judge(target uint64) {
	switch {
	case f.unknown != nil:
		f.Value, f.Verdict = "unknown: "+whyUnknown(f.unknown), verdictUnknown
		return
	case f.info:
		f.Verdict = verdictInfo
		return
	case f.Unlimited:
		f.Verdict = verdictOK
		return
	}
	f.Allows = &f.allows
	if f.allows >= target {
		f.Verdict = verdictOK
		return
	}
	f.Verdict = verdictRaise
	if f.advisory {
		f.Verdict = verdictLow
	}
	if f.fixes != nil {
		f.Fixes = f.fixes()
	}
}

// count takes a judged finding into the sum.
func (r *doctorReport) count(f *finding) {
	switch {
	case f.advisory || f.info || f.Unlimited:
		return
	case f.unknown != nil:
		r.Unknown = append(r.Unknown, f.Name)
		return
	case f.Verdict == verdictRaise:
		r.Fits = false
	}
	if r.Holds == nil || f.allows < *r.Holds {
		r.Holds, r.LimitedBy = &f.allows, f.Name
	}
}

func whyUnknown(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "not shown here"
	case errors.Is(err, fs.ErrPermission):
		return "no permission to read it"
	}
	return oneLine(err)
}

// firstUnknown is the reason of the first value that is not known.
func firstUnknown(values ...limits.Value) error {
	for _, v := range values {
		if !v.Known() {
			return v.Err
		}
	}
	return nil
}
