package main

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"cim/deploy"
)

// fix is one way to raise a limit. Any one of several ways for the same limit is enough.
type fix struct {
	How  string `json:"how"`            // where the line goes: sysctl, systemd, shell, docker...
	Line string `json:"line"`           // exactly what to write
	File string `json:"file,omitempty"` // which file of deploy/ has the line, and with what
}

func openFilesFixes(files uint64) []fix {
	return []fix{
		{How: "systemd", Line: fmt.Sprintf("LimitNOFILE=%d", files), File: inDeployFile("cim.service", "LimitNOFILE", files)},
		{How: "docker", Line: fmt.Sprintf("--ulimit nofile=%d:%d", files, files)},
		{How: "shell, as root", Line: fmt.Sprintf("ulimit -n %d", files)},
	}
}

func memoryFixes(container string, bytes uint64) []fix {
	mib := (bytes + 1<<20 - 1) >> 20
	if container == "kubernetes" {
		return []fix{{How: "kubernetes", Line: fmt.Sprintf("resources: {limits: {memory: %dMi}}", mib)}}
	}
	return []fix{
		{How: "systemd", Line: fmt.Sprintf("MemoryMax=%dM", mib)},
		{How: "docker", Line: fmt.Sprintf("--memory %dm", mib)},
	}
}

// portsFixes widens the range as far as it goes; beyond that only more source addresses help.
func portsFixes(container string, target uint64) []fix {
	const low, high = 1024, 65535
	fixes := sysctlFixes("net.ipv4.ip_local_port_range", container, low, high)
	if target > high-low+1 {
		fixes = append(fixes, fix{How: "load", Line: fmt.Sprintf("at least %d source addresses", (target+high-low)/(high-low+1))})
	}
	return fixes
}

// perNamespace are settings that a container has for itself; all others are the host's.
var perNamespace = []string{"net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog", "net.ipv4.ip_local_port_range"}

func sysctlFixes(key, container string, values ...uint64) []fix {
	value := joinNumbers(values)
	quoted := value
	if len(values) > 1 {
		quoted = strconv.Quote(value)
	}
	f := fix{How: "sysctl", Line: "sysctl -w " + key + "=" + quoted, File: inDeployFile("sysctl.conf", key, values...)}
	switch {
	case container == "":
		return []fix{f}
	case !slices.Contains(perNamespace, key):
		f.How = "sysctl, on the host"
		return []fix{f}
	case container == "kubernetes":
		line := fmt.Sprintf("securityContext: {sysctls: [{name: %s, value: %q}]}", key, value)
		return []fix{{How: "kubernetes", Line: line, File: f.File}}
	}
	return []fix{{How: "docker", Line: "--sysctl " + key + "=" + quoted, File: f.File}}
}

func joinNumbers(values []uint64) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatUint(v, 10))
	}
	return b.String()
}

// inDeployFile says what a file of deploy/ sets key to, and whether that is enough for the values; "" if it
// does not mention it.
func inDeployFile(file, key string, values ...uint64) string {
	text, err := fs.ReadFile(deploy.Files, file)
	if err != nil {
		return ""
	}
	s, ok := findSetting(string(text), key)
	if !ok {
		return ""
	}
	where := fmt.Sprintf("deploy/%s:%d", file, s.line)
	switch {
	case s.comment:
		return fmt.Sprintf("%s has it in a comment, as %s", where, s.value)
	case !s.covers(values):
		return fmt.Sprintf("%s sets %s: too little, change it there", where, s.value)
	}
	return fmt.Sprintf("%s sets %s", where, s.value)
}

// setting is a line of a file of settings.
type setting struct {
	line    int
	value   string
	comment bool
}

// findSetting looks for the first "key = value", then for one in a comment.
func findSetting(text, key string) (found setting, ok bool) {
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimLeft(line, "# ")
		name, value, isSetting := strings.Cut(bare, "=")
		if !isSetting || strings.TrimSpace(name) != key {
			continue
		}
		value, _, _ = strings.Cut(strings.TrimSpace(value), "  ") // in a comment an explanation may follow
		s := setting{line: i + 1, value: value, comment: strings.HasPrefix(line, "#")}
		if !s.comment {
			return s, true
		}
		if !ok {
			found, ok = s, true
		}
	}
	return found, ok
}

// covers compares the last numbers, which are the highest.
func (s setting) covers(values []uint64) bool {
	fields := strings.Fields(s.value)
	n, err := strconv.ParseUint(fields[len(fields)-1], 10, 64)
	return err == nil && n >= values[len(values)-1]
}
