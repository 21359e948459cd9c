package bench

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// clockTick is what the kernel counts processor time in (USER_HZ): 100 a second wherever Go runs on Linux.
const clockTick = 10 * time.Millisecond

// processes are what --pid names: servers, routes, a store.
type processes struct {
	proc fs.FS // /proc
	pids []int
}

// processSample is a process at one moment.
type processSample struct {
	command        string
	cpu            time.Duration // user and kernel mode
	rss, anonymous int64
	files          int
}

// ProcessUse is what one process took between two moments.
type ProcessUse struct {
	PID             int     `json:"pid"`
	Command         string  `json:"command"`
	CPUSeconds      float64 `json:"cpu_seconds"` // user and kernel mode
	RSSBefore       int64   `json:"rss_before"`
	RSSAfter        int64   `json:"rss_after"`
	AnonymousBefore int64   `json:"anonymous_before"` // pages that no file backs: heap, stacks, runtime
	AnonymousAfter  int64   `json:"anonymous_after"`
	FilesBefore     int     `json:"files_before"` // open ones; sockets are most of them
	FilesAfter      int     `json:"files_after"`
}

// PerFile is the growth of anonymous memory per file that was opened meanwhile; 0 if none was.
func (u ProcessUse) PerFile() int64 {
	files := u.FilesAfter - u.FilesBefore
	if files <= 0 {
		return 0
	}
	return (u.AnonymousAfter - u.AnonymousBefore) / int64(files)
}

// sample reads all processes. Errors: one of them is not there.
func (p processes) sample() ([]processSample, error) {
	all := make([]processSample, len(p.pids))
	for i, pid := range p.pids {
		var err error
		if all[i], err = p.read(pid); err != nil {
			return nil, fmt.Errorf("look at process %d (--pid): %w", pid, err)
		}
	}
	return all, nil
}

// use compares with an earlier sample. A process that has ended since is left out.
func (p processes) use(before []processSample) []ProcessUse {
	var all []ProcessUse
	for i, pid := range p.pids {
		b := before[i]
		a, err := p.read(pid)
		if err != nil {
			continue
		}
		all = append(all, ProcessUse{
			PID: pid, Command: a.command, CPUSeconds: (a.cpu - b.cpu).Seconds(), RSSBefore: b.rss, RSSAfter: a.rss,
			AnonymousBefore: b.anonymous, AnonymousAfter: a.anonymous, FilesBefore: b.files, FilesAfter: a.files,
		})
	}
	return all
}

func (p processes) read(pid int) (s processSample, err error) {
	text, err := fs.ReadFile(p.proc, fmt.Sprintf("%d/stat", pid))
	if err != nil {
		return s, err
	}
	if s.command, s.cpu, err = parseStat(string(text)); err != nil {
		return s, err
	}
	values := (&probe{proc: p.proc}).values
	status, err := values(fmt.Sprintf("%d/status", pid))
	if err != nil {
		return s, err
	}
	s.rss = status["VmRSS"]
	// Another user's process hides these two.
	if rollup, err := values(fmt.Sprintf("%d/smaps_rollup", pid)); err == nil {
		s.anonymous = rollup["Anonymous"]
	}
	if files, err := fs.ReadDir(p.proc, fmt.Sprintf("%d/fd", pid)); err == nil {
		s.files = len(files)
	}
	return s, nil
}

// parseStat reads the name and the processor time of proc_pid_stat(5). The name may hold anything, so what follows is
// counted from its closing bracket.
func parseStat(text string) (command string, cpu time.Duration, err error) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return "", 0, fmt.Errorf("no name in %q", text)
	}
	const utime, stime = 11, 12
	fields := strings.Fields(text[end+1:])
	if len(fields) <= stime {
		return "", 0, fmt.Errorf("%d fields in %q", len(fields), text)
	}
	user, err := strconv.ParseInt(fields[utime], 10, 64)
	if err != nil {
		return "", 0, err
	}
	kernel, err := strconv.ParseInt(fields[stime], 10, 64)
	if err != nil {
		return "", 0, err
	}
	return text[open+1 : end], time.Duration(user+kernel) * clockTick, nil
}

func processRows(row rowFunc, uses []ProcessUse) {
	for i, u := range uses {
		name := ""
		if i == 0 {
			name = "processes"
		}
		row(name, "%s %d: %.2f s of CPU; anonymous memory %s -> %s KiB, RSS %s -> %s KiB%s", u.Command, u.PID,
			u.CPUSeconds, group(u.AnonymousBefore>>10), group(u.AnonymousAfter>>10), group(u.RSSBefore>>10), group(u.RSSAfter>>10),
			openedFiles(u))
	}
}

// openedFiles tells the files of a process that holds more than it did, and what each takes where there are enough.
func openedFiles(u ProcessUse) string {
	switch opened := u.FilesAfter - u.FilesBefore; {
	case opened <= 0:
		return ""
	case opened < enoughToTell:
		return fmt.Sprintf("; %s files opened", group(opened))
	default:
		return fmt.Sprintf("; %s files opened, %s B each", group(opened), group(u.PerFile()))
	}
}
